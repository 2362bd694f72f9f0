/* err.h - why something failed: a code that tells the reaction, a text that tells a person.
 *
 * A function that can fail returns 0 or the code and takes struct err *err as its last argument.
 * Whoever decides what to do logs it, once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID,     /* the sender's mistake: 400, INVALID_ARGUMENT; never again */
    ERR_UNSUPPORTED, /* 415, UNIMPLEMENTED; never again */
    ERR_TOO_BIG,     /* 413, RESOURCE_EXHAUSTED without retry */
    ERR_BUSY,        /* 429 or 503, UNAVAILABLE: the sender tries again */
    ERR_IO,          /* 503, UNAVAILABLE: the disk, the database, the network */
    ERR_NOT_FOUND,   /* 404, NOT_FOUND */
    ERR_FORBIDDEN,   /* 403: what is asked for is not allowed to anybody */
    ERR_TIMEOUT      /* 408: it took longer than was given */
};

struct err {
    enum err_code code;
    char text[400]; /* one line, NUL-terminated, says what, where, and what to do */
};

/* Fills *err (which may be NULL) and returns `code`, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text there is; returns the code there is. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
