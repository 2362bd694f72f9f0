/* completion.c - what a shell completes, and the manual page, from the table of commands. */
#include <stdio.h>

#include "collector/command/command.h"

/* What stands in single quotes of a shell. */
static void put_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

/* The first command in the help from this one on; NULL when there is none. */
static const struct command *shown(const struct command *command)
{
    while (command->name && command->hidden)
        command++;
    return command->name ? command : NULL;
}

static void print_bash(void)
{
    printf("_faultline() {\n"
           "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\n"
           "    case \"$COMP_CWORD:${COMP_WORDS[1]}\" in\n"
           "    1:*) words='");
    for (const struct command *command = shown(commands); command; command = shown(command + 1))
        printf("%s ", command->name);
    printf("' ;;\n");
    for (const struct command *command = shown(commands); command; command = shown(command + 1)) {
        if (!command->rows[0].name)
            continue;
        printf("    *:%s) words='", command->name);
        for (const struct option_row *row = command->rows; row->name; row++)
            printf("--%s ", row->name);
        printf("' ;;\n");
    }
    printf("    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _faultline faultline\n");
}

/* In _arguments brackets and colons have a meaning. */
static void put_zsh(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static void print_zsh(void)
{
    printf("#compdef faultline\n"
           "if (( CURRENT == 2 )); then\n"
           "    local -a words=(");
    for (const struct command *command = shown(commands); command; command = shown(command + 1)) {
        printf("\n        '%s:", command->name);
        put_quoted(command->text);
        putchar('\'');
    }
    printf(")\n    _describe command words\n    return\nfi\ncase $words[2] in\n");
    for (const struct command *command = shown(commands); command; command = shown(command + 1)) {
        printf("%s) _arguments '*:file:_files'", command->name);
        for (const struct option_row *row = command->rows; row->name; row++) {
            printf(" \\\n    '*--%s[", row->name);
            put_zsh(row->text);
            putchar(']');
            if (row->value) {
                putchar(':');
                put_zsh(row->value);
                fputs(strcmp(row->value, "FILE") == 0 || strcmp(row->value, "PATH") == 0 ? ":_files"
                                                                                         : ":",
                      stdout);
            }
            putchar('\'');
        }
        printf(" ;;\n");
    }
    printf("esac\n");
}

static void print_fish(void)
{
    for (const struct command *command = shown(commands); command; command = shown(command + 1)) {
        printf("complete -c faultline -n __fish_use_subcommand -a %s -d '", command->name);
        put_quoted(command->text);
        printf("'\n");
        for (const struct option_row *row = command->rows; row->name; row++) {
            printf("complete -c faultline -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
                   command->name, row->name, row->value ? " -r" : "");
            put_quoted(row->text);
            printf("'\n");
        }
    }
}

/* What troff would read as its own. */
static void put_troff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            fputs(*text == '-' ? "\\-" : "\\e", stdout);
        else
            putchar(*text);
    }
}

static void print_man(void)
{
    printf(".TH FAULTLINE 1\n.SH NAME\nfaultline \\- says where a fault began\n.SH SYNOPSIS\n"
           ".B faultline\n.I command\n[options]\n.SH COMMANDS\n");
    for (const struct command *command = shown(commands); command; command = shown(command + 1)) {
        printf(".SS \"faultline %s ", command->name);
        put_troff(command->usage);
        printf("\"\n");
        put_troff(command->text);
        putchar('\n');
        for (const struct option_row *row = command->rows; row->name; row++) {
            printf(".TP\n.B \\-\\-");
            put_troff(row->name);
            if (row->value) {
                putchar(' ');
                put_troff(row->value);
            }
            putchar('\n');
            put_troff(row->text);
            putchar('\n');
        }
    }
    printf(
        ".SH EXIT STATUS\n0 good; 1 the answer is bad; 2 wrong usage or settings; 3 could not do "
        "it; 4 not enough data.\n");
}

int command_completion(const struct options *options)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } kinds[] = {
        {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}, {"man", print_man}};
    for (size_t i = 0; options->n_rest == 1 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(options->rest[0], kinds[i].name) == 0) {
            kinds[i].print();
            return EXIT_GOOD;
        }
    }
    fprintf(stderr, "faultline completion: bash, zsh, fish, or man for the manual page\n");
    return EXIT_USAGE;
}
