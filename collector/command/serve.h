/* serve.h - the collector: settings, stages, listeners, web; wait; backwards. */
#ifndef COMMAND_SERVE_H
#define COMMAND_SERVE_H

#include "collector/config.h"

/* Runs until a signal; gives the exit code. `input` is read again on SIGHUP. */
int serve(const struct config *config, const struct config_input *input);

#endif
