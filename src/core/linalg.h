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

/*
 * Factors a matrix of n rows (row major) in place into a unit lower and an
 * upper triangle, without exchanging rows: for matrices whose columns (or
 * rows) are diagonally dominant, such as I - W' of a system of pools.  False
 * when a pivot vanishes.
 */
extern bool LinalgFactorDominant(double *a, int n, FinopsInterrupt interrupt);

/* Solves A x = b with the factors of A; b becomes x. */
extern void LinalgSolveFactored(const double *lu, int n, double *b);

/*
 * The same for many right-hand sides at once: b has n rows of so many
 * columns (row major), each column a side.
 */
extern void LinalgSolveFactoredMany(const double *lu, int n, double *b, int columns,
									FinopsInterrupt interrupt);

/*
 * Solves A x = b and refines x until the largest residual is at most
 * tolerance; a is the matrix, lu its factors.  Residuals are computed in long
 * double.  Returns the residual reached; scratch has room for n doubles.
 */
extern FinopsReal LinalgSolveRefined(const double *a, const double *lu, int n,
									  const FinopsReal *b, FinopsReal *x,
									  FinopsReal tolerance, double *scratch);

/* c -= a b; a has m rows of k, b k rows of n, c m rows of n, each row major
 * with rows lda, ldb and ldc apart. */
extern void LinalgMultiplySubtract(double *c, int ldc, const double *a, int lda,
								   const double *b, int ldb, int m, int k, int n);

#endif							/* FINOPS_LINALG_H */
