# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/snapshot, scripts/rewrite and scripts/audit share: one noun per file."""
