/* access_token.c - words of a line: bare, "in quotes", [in brackets], or name="in quotes". */
#include "collector/decode/access_log.h"

/* Behind the closing quote of a text that begins at `at`; 0 when there is none. A backslash takes
 * the byte behind it along. */
static size_t quote_end(struct str line, size_t at)
{
    for (size_t i = at; i < line.len; i++) {
        if (line.p[i] == '\\')
            i++;
        else if (line.p[i] == '"')
            return i + 1;
    }
    return 0;
}

/* A bare word ends at a blank, but not within quotes that follow a '='. */
static size_t word_end(struct str line)
{
    size_t i = 0;
    while (i < line.len && line.p[i] != ' ' && line.p[i] != '\t') {
        bool quoted = line.p[i] == '=' && i + 1 < line.len && line.p[i + 1] == '"';
        size_t end = quoted ? quote_end(line, i + 2) : i + 1;
        if (!end)
            return 0;
        i = end;
    }
    return i;
}

bool token_next(struct str *line, struct token *token, bool *broken)
{
    while (line->len && (line->p[0] == ' ' || line->p[0] == '\t'))
        *line = str_skip(*line, 1);
    if (!line->len)
        return false;
    char first = line->p[0];
    size_t end;
    if (first == '"') {
        end = quote_end(*line, 1);
        *token = (struct token){{line->p + 1, end ? end - 2 : 0}, '"'};
    } else if (first == '[') {
        ptrdiff_t close = str_find(*line, ']');
        end = close > 0 ? (size_t)close + 1 : 0;
        *token = (struct token){{line->p + 1, end ? end - 2 : 0}, '['};
    } else {
        end = word_end(*line);
        *token = (struct token){{line->p, end}, 0};
    }
    *broken = end == 0;
    *line = str_skip(*line, end);
    return end != 0;
}

int tokens_cut(struct str line, struct token *tokens, int max)
{
    bool broken = false;
    int n = 0;
    struct token token;
    while (token_next(&line, &token, &broken)) {
        if (n == max)
            return -1;
        tokens[n++] = token;
    }
    return broken ? -1 : n;
}
