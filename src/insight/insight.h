/*-------------------------------------------------------------------------
 *
 * insight.h
 *	  What room insight shares among its files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INSIGHT_H
#define FINOPS_INSIGHT_H

#include "core/core.h"

#endif							/* FINOPS_INSIGHT_H */
