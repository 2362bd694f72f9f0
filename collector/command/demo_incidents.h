/* demo_incidents.h - what the collector of a demo finds, asked of it as a person would. */
#ifndef COMMAND_DEMO_INCIDENTS_H
#define COMMAND_DEMO_INCIDENTS_H

#include <stdint.h>

struct demo_incidents;

/* `web` is the page's address, host:port; copied. NULL when memory is short. */
struct demo_incidents *demo_incidents_new(const char *web);
void demo_incidents_free(struct demo_incidents *incidents); /* NULL is fine */
/* Asks every two seconds, and tells of each incident that it opened and that it ended. */
void demo_incidents_look(struct demo_incidents *incidents, uint64_t mono_ns,
                         void (*opened)(void *ctx, const char *id, const char *summary),
                         void (*ended)(void *ctx, const char *id), void *ctx);

#endif
