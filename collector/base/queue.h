/* queue.h - the only thing two stages share: a bounded first-in first-out of pointers.
 *
 * One mutex, two conditions. Receivers try and refuse when it is full; stages may wait. Closing
 * wakes everybody: pushes fail from then on, pops give what is left and then NULL.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* `max_items` ≥ 1; `max_weight` bounds the sum of the weights given to push (0: no bound). One item
 * is always let in when the queue is empty, however heavy. NULL when memory is short. */
struct queue *queue_new(size_t max_items, uint64_t max_weight);
void queue_free(struct queue *queue);
/* False at once when it is full or closed. */
bool queue_try_push(struct queue *queue, void *item, uint64_t weight);
/* Waits for room; false when it was closed meanwhile. */
bool queue_push(struct queue *queue, void *item, uint64_t weight);
/* The oldest item; waits at most `timeout_ns` (0: not at all). NULL when nothing came. */
void *queue_pop(struct queue *queue, uint64_t timeout_ns);
/* Wakes a waiting pop once, which then gives NULL if nothing is there. */
void queue_wake(struct queue *queue);
void queue_close(struct queue *queue);
bool queue_closed(struct queue *queue);
size_t queue_length(struct queue *queue);

#endif
