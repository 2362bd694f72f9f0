/* naive_text.h - cleaning and cutting of text as the README promises it, a character at a time. */
#ifndef ORACLE_NAIVE_TEXT_H
#define ORACLE_NAIVE_TEXT_H

#include "collector/base/str.h"

/* Bytes of the well-formed character other than NUL at `at`; 0: there is none. */
size_t naive_character(const unsigned char *at, size_t left);
/* Gives a C string: U+FFFD for every byte that is in no character, and for NUL. */
char *naive_clean(struct str text);
/* The same, its whole characters that fit into `max` bytes. */
char *naive_keep(struct str text, size_t max);

#endif
