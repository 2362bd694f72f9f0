/* command.h - the commands as a table, and the options they are given. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "collector/config.h"

/* CONTRACT §2 */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_BAD_ANSWER = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_DONE = 3,
    EXIT_NO_DATA = 4
};

#define MAX_SETS 128
#define MAX_ATTRS 32
#define MAX_OPTIONS 32

struct option_row {
    const char *name;  /* without -- */
    const char *value; /* what it takes, as help prints it; NULL: nothing */
    const char *text;
};

struct options {
    const struct command *command;
    const char *values[MAX_OPTIONS];  /* by row of the command; "" for a given one without value;
                                         NULL: not given */
    const char *sets[MAX_SETS + 1];   /* --set, in order; NULL ends them */
    const char *attrs[MAX_ATTRS + 1]; /* --attr, the same */
    const char *const *rest;          /* what is no option */
    size_t n_rest;
};

struct command {
    const char *name;
    const char *usage; /* what follows the name */
    const char *text;  /* one line */
    bool hidden;       /* not in help */
    int (*run)(const struct options *options);
    const struct option_row *rows; /* ended by a NULL name */
};

extern const struct command commands[]; /* ended by a NULL name */

/* Reads argv behind the command's name. All mistakes are printed; false when there were some. */
bool options_read(const struct command *command, int argc, char **argv, struct options *options);
/* The value of an option, NULL when it was not given. */
const char *option(const struct options *options, const char *name);
/* Prints what is wrong, with the command's name before it; false. */
bool complain(const struct options *options, const char *what);
/* An option that is a time; left alone when it was not given. False (printed) when it is none. */
bool option_time(const struct options *options, const char *name, uint64_t now_ns, uint64_t *ns);

/* Where the settings are from: --config, the environment and --set. */
struct config_input options_input(const struct options *options);
/* … and what they are. NULL (mistakes printed) when there are some.
 */
struct config *options_config(const struct options *options, struct config_input *input);
/* log.level and log.format are in force from here on. */
void settings_log(const struct settings *settings);
/* The same for a command that takes --db, which comes in place of the path they say. *settings
 * borrows from both; its log is in force. */
struct config *options_store(const struct options *options, struct settings *settings);
/* One of --db and --url, or neither; false (printed) with both. */
bool options_one_source(const struct options *options);

int command_serve(const struct options *options);
int command_demo(const struct options *options);
int command_check_config(const struct options *options);
int command_replay(const struct options *options);
int command_simulate(const struct options *options);
int command_export(const struct options *options);
int command_backup(const struct options *options);
int command_vacuum(const struct options *options);
int command_completion(const struct options *options);
int command_sql(const struct options *options);
int command_traces(const struct options *options);
int command_trace(const struct options *options);
int command_graph(const struct options *options);
int command_compare(const struct options *options);
int command_diagnose(const struct options *options);
int command_tail(const struct options *options);
int command_version(const struct options *options);
int command_help(const struct options *options);

#endif
