/* gaps.h - how it is known that a service does not hand trace context on. The numbers are stored:
 * append, never renumber. */
#ifndef STORE_GAPS_H
#define STORE_GAPS_H

enum gap_reason {
    GAP_NONE,
    GAP_OWN_TRACE /* its proxy began a trace with a call of its */
};

#endif
