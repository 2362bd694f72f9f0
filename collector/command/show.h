/* show.h - what the commands that show an answer share: formats, windows, colours. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include "collector/command/ask.h"

#define RED "\033[31m"
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* Is this the value of --format? */
bool wants(const struct options *options, const char *format);
/* Says which formats there are; gives EXIT_USAGE. */
int bad_format(const struct options *options, const char *formats);
/* --from and --to, else until now, as the API has it; false: they cannot be read, and it is said
 * why. */
bool read_window(const struct options *options, uint64_t default_ns, struct window *window);
/* Asks and prints: JSON as it came, else by `show`, which gets it as a tree; with --check both. */
int show_answer(const struct options *options, const struct question *question,
                int (*show)(const struct options *options, const struct tree *tree));
/* Asks and prints the answer as it came, in one line. */
int show_raw(const struct options *options, const struct question *question);

#endif
