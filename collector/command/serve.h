/* serve.h - the collector: settings, stages, listeners, web; wait; backwards. */
#ifndef COMMAND_SERVE_H
#define COMMAND_SERVE_H

#include "collector/config.h"

struct pipeline;

/* For who runs a collector inside its own command, and uses it. Called on the main thread. */
struct serve_hooks {
    /* In place of the "ready" line: every listener accepts, at these addresses. */
    void (*ready)(const char *otlp_http, const char *web, struct pipeline *pipeline, void *ctx);
    /* A signal came; listeners still accept until this returns. */
    void (*stopping)(void *ctx);
    void *ctx;
};

/* The files of keys and tokens that settings name, read as a start reads them: how many cannot be,
 * each a line in `mistakes` with the place of its setting before it, as config_read() has them. */
size_t serve_check_keys(const struct config *config, struct buf *mistakes);
/* Runs until a signal; gives the exit code. `input` is read again on SIGHUP. */
int serve(const struct config *config, const struct config_input *input);
int serve_with(const struct config *config, const struct config_input *input,
               const struct serve_hooks *hooks);

#endif
