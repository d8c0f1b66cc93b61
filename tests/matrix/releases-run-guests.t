#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# test-all
# series: first
# Claim: of the releases that the archive has of KVER's series, the newest, the oldest and one in
# between become instances that run guests on KVER, on each machine that MACHINE names. `make
# matrix` does it with all of them.
#
# fails when: a rule does not hit what it should in one of the releases (that line names rule and
# file, the others are ok), or an instance makes the kernel warn (its work queue's name was cut).
set -eu
cd "$(dirname "$0")/../.."

exec tests/matrix/run --sample --tap
