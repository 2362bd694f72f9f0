/* queue.c - a ring under one mutex. */
#include "collector/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct entry {
    void *item;
    uint64_t weight;
};

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled, drained;
    struct entry *ring;
    size_t cap, head, n;
    uint64_t weight, max_weight;
    bool closed, woken;
};

struct queue *queue_new(size_t max_items, uint64_t max_weight)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    struct entry *ring = queue ? calloc(max_items, sizeof(*ring)) : NULL;
    if (!ring) {
        free(queue);
        return NULL;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->filled, &attr);
    pthread_cond_init(&queue->drained, &attr);
    pthread_condattr_destroy(&attr);
    queue->ring = ring;
    queue->cap = max_items;
    queue->max_weight = max_weight;
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->filled);
    pthread_cond_destroy(&queue->drained);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->ring);
    free(queue);
}

static bool has_room(const struct queue *queue, uint64_t weight)
{
    if (queue->n == 0)
        return true;
    return queue->n < queue->cap &&
           (!queue->max_weight || queue->weight + weight <= queue->max_weight);
}

static void put(struct queue *queue, void *item, uint64_t weight)
{
    queue->ring[(queue->head + queue->n) % queue->cap] = (struct entry){item, weight};
    queue->n++;
    queue->weight += weight;
    pthread_cond_signal(&queue->filled);
}

bool queue_try_push(struct queue *queue, void *item, uint64_t weight)
{
    pthread_mutex_lock(&queue->mutex);
    bool room = !queue->closed && has_room(queue, weight);
    if (room)
        put(queue, item, weight);
    pthread_mutex_unlock(&queue->mutex);
    return room;
}

bool queue_push(struct queue *queue, void *item, uint64_t weight)
{
    pthread_mutex_lock(&queue->mutex);
    while (!queue->closed && !has_room(queue, weight))
        pthread_cond_wait(&queue->drained, &queue->mutex);
    bool open = !queue->closed;
    if (open)
        put(queue, item, weight);
    pthread_mutex_unlock(&queue->mutex);
    return open;
}

static struct timespec deadline_after(uint64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % 1000000000u;
    until.tv_sec += (time_t)(timeout_ns / 1000000000u + ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    return until;
}

void *queue_pop(struct queue *queue, uint64_t timeout_ns)
{
    void *item = NULL;
    pthread_mutex_lock(&queue->mutex);
    if (!queue->n && timeout_ns && !queue->closed) {
        struct timespec until = deadline_after(timeout_ns);
        int late = 0;
        while (!queue->n && !queue->closed && !queue->woken && late != ETIMEDOUT)
            late = pthread_cond_timedwait(&queue->filled, &queue->mutex, &until);
    }
    queue->woken = false;
    if (queue->n) {
        struct entry entry = queue->ring[queue->head];
        queue->head = (queue->head + 1) % queue->cap;
        queue->n--;
        queue->weight -= entry.weight;
        item = entry.item;
        pthread_cond_broadcast(&queue->drained);
    }
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

void queue_wake(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->woken = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->mutex);
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_cond_broadcast(&queue->drained);
    pthread_mutex_unlock(&queue->mutex);
}

bool queue_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->mutex);
    return closed;
}

size_t queue_length(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t n = queue->n;
    pthread_mutex_unlock(&queue->mutex);
    return n;
}
