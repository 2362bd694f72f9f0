/* span_names.c - a name is cut into words of letters, digits and dashes; a word that is an id
 * becomes {}. */
#include "exporters/span_names.h"

#include <ctype.h>

#include "collector/base/utf8.h"

#define MAX_NAME 200

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '-';
}

/* All digits; or hexadecimal, eight or more, with a digit in it; or a UUID. */
static bool is_id(struct str word)
{
    size_t n_digits = 0, n_hex = 0, n_dashes = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.p[i];
        n_digits += c >= '0' && c <= '9';
        n_hex += isxdigit(c) != 0;
        n_dashes += c == '-';
    }
    if (!n_digits || n_hex + n_dashes != word.len)
        return false;
    return n_digits == word.len || (n_hex >= 8 && (n_dashes == 0 || n_dashes == 4));
}

void span_name_template(struct str name, struct buf *out)
{
    name = utf8_cut(name, MAX_NAME);
    for (size_t at = 0; at < name.len;) {
        size_t end = at;
        while (end < name.len && is_word(name.p[end]))
            end++;
        struct str word = {name.p + at, end - at};
        if (word.len)
            buf_add_str(out, is_id(word) ? STR("{}") : word);
        else
            buf_add_char(out, name.p[end++]);
        at = end;
    }
}
