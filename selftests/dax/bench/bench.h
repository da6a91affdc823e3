/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs that measure share. Include first. */
#ifndef _DAX_BENCH_H
#define _DAX_BENCH_H

#include "../../kselftest.h"
#include "../dax_test.h"
#include <sys/resource.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

#define ROUNDS	5

static inline unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline long minor_faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static inline __attribute__((noreturn)) void fail(const char *what)
{
	perror(what);
	exit(1);
}

#endif /* _DAX_BENCH_H */
