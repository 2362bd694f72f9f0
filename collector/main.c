/* main.c - finds the command and runs it. What a collector does is in command/serve.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "collector/base/hash.h"
#include "collector/command/command.h"

/* `faultline graph --help` is `faultline help graph`; behind `--` and in values it is a text. */
static bool asks_for_help(int argc, char **argv)
{
    return argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
}

/* An answer that nobody could read whole is none. */
static int answered(int code)
{
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || code != EXIT_GOOD)
        return code;
    if (errno != EPIPE) /* who closed it knows */
        fprintf(stderr, "faultline: the answer could not be written: %s\n", strerror(errno));
    return EXIT_NOT_DONE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    struct options options;
    umask(0027); /* what is stored is for the owner and the group */
    hash_seed();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (asks_for_help(argc, argv)) {
        argv[2] = argv[1];
        name = "help";
    }
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, name) != 0)
            continue;
        if (!options_read(command, argc > 2 ? argc - 2 : 0, argv + 2, &options))
            return EXIT_USAGE;
        return answered(command->run(&options));
    }
    fprintf(stderr, "faultline: there is no command '%s'; see 'faultline help'\n", name);
    return EXIT_USAGE;
}
