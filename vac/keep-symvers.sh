#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# POST_BUILD of dkms, in the build's folder: put vac's Module.symvers beside the
# built module, where the instances look for it. dkms 3.0 would drop it.
#
# usage: keep-symvers.sh FOLDER
set -eu

cp vac/Module.symvers "$1/Module.symvers"
