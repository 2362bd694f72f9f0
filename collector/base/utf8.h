/* utf8.h - is it valid UTF-8, and if not, what to keep: U+FFFD in place of every bad byte and of
 * NUL. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "collector/base/arena.h"

enum text_class {
    TEXT_PLAIN, /* printable ASCII without '"' and '\': may be copied into JSON as it is */
    TEXT_VALID, /* valid UTF-8 without NUL */
    TEXT_BAD    /* must go through utf8_clean() */
};

enum text_class utf8_classify(struct str s);
/* Length of the well-formed character at `at`, 0 when there is none or it is NUL. */
size_t utf8_character(const char *at, size_t left);
/* The text with U+FFFD for each malformed byte, surrogate, and NUL; from the arena. p is NULL when
 * memory is short. */
struct str utf8_clean(struct arena *arena, struct str s);
/* Cuts valid UTF-8 to at most `max` bytes, never inside a character. */
struct str utf8_cut(struct str s, size_t max);

#endif
