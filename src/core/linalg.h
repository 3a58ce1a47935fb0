/*-------------------------------------------------------------------------
 *
 * linalg.h
 *	  Small dense linear algebra.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_LINALG_H
#define FINOPS_LINALG_H

#include "core/pure.h"

/*
 * Solves A x = b for a symmetric positive definite A of n rows (row major,
 * lower triangle read, overwritten with its Cholesky factor); b becomes x.
 * False when A is not positive definite.
 */
extern bool LinalgCholeskySolve(double *a, double *b, int n);

#endif							/* FINOPS_LINALG_H */
