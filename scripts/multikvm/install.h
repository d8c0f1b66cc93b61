/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * install.h - what an install has to do: plan.c finds that out, install.c does it.
 */
#ifndef INSTALL_H
#define INSTALL_H

#include "multikvm.h"

struct work {
	struct package package;
	json_object *kernels; /* for which it was built */
	json_object *before;  /* for which exactly this was installed already */
	bool prepared;	      /* its source is in the stage */
};

/* What is asked for, and what becomes of it. */
struct install {
	json_object *wanted;	/* kernels */
	bool named;		/* by --kernel */
	const char *package;	/* DIR or TAG; NULL: all in /usr/src */
	const char *vac;	/* a folder with vac's source */
	const char *host_files; /* a tree */
	struct work *work;	/* vac first */
	size_t n;
	json_object *results;
	bool failed; /* a kernel that nobody named */
	bool broken; /* it could not be undone */
};

/* Finds the kernels, or reports what is wrong with those that were named. */
enum status plan_kernels(struct install *install);
/* Finds the packages; none if there is nothing of ours. */
enum status plan_packages(struct install *install);
void plan_free(struct install *install);

#endif
