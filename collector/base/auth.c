/* auth.c - the table of tokens.
 *
 * A question hashes what came and looks at every entry, so its time does not depend on how much of
 * a token was guessed.
 */
#include "collector/base/auth.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/base64.h"

#define SHA256_BYTES 32
#define MAX_TOKENS 1000
#define MAX_CREDENTIALS 4096 /* bytes of a header that are looked at */

struct token {
    enum auth_role role;
    unsigned char digest[SHA256_BYTES];
};

struct auth {
    atomic_bool required;  /* without tokens nobody takes the lock */
    pthread_mutex_t mutex; /* guards what follows */
    struct token *tokens;
    size_t n_tokens;
};

struct auth *auth_new(void)
{
    struct auth *auth = calloc(1, sizeof(*auth));
    if (auth)
        pthread_mutex_init(&auth->mutex, NULL);
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->mutex);
    free(auth->tokens);
    free(auth);
}

/* ---- the file ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(struct str hex, unsigned char digest[SHA256_BYTES])
{
    if (hex.len != (size_t)2 * SHA256_BYTES)
        return false;
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool read_role(struct str word, enum auth_role *role)
{
    static const struct {
        const char *word;
        enum auth_role role;
    } rows[] = {{"ingest", AUTH_INGEST}, {"read", AUTH_READ}, {"admin", AUTH_ADMIN}};
    for (int i = 0; i < 3; i++) {
        if (str_eq(word, str_of(rows[i].word))) {
            *role = rows[i].role;
            return true;
        }
    }
    return false;
}

static bool read_line(struct str line, struct token *token)
{
    struct str role, rest, digest, comment;
    str_cut(line, ' ', &role, &rest);
    str_cut(str_trim(rest), ' ', &digest, &comment);
    return read_role(role, &token->role) && read_digest(str_trim(digest), token->digest);
}

static int read_lines(FILE *file, const char *path, struct auth *fresh, struct err *err)
{
    char line[1024];
    for (unsigned n = 1; fgets(line, sizeof(line), file); n++) {
        struct str text = str_trim(str_of(line));
        if (!text.len || text.p[0] == '#')
            continue;
        if (fresh->n_tokens == MAX_TOKENS)
            return err_set(err, ERR_INVALID, "%s:%u: more than %d tokens", path, n, MAX_TOKENS);
        if (!read_line(text, &fresh->tokens[fresh->n_tokens++]))
            return err_set(err, ERR_INVALID,
                           "%s:%u: a line is 'role sha256hex comment', role one of ingest, read, "
                           "admin",
                           path, n);
    }
    if (ferror(file))
        return err_set(err, ERR_INVALID, "%s: %s", path, strerror(errno));
    return fresh->n_tokens ? 0 : err_set(err, ERR_INVALID, "%s: has no token", path);
}

static int read_file(const char *path, struct auth *fresh, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(err, ERR_INVALID, "%s: %s", path, strerror(errno));
    fresh->required = true;
    fresh->tokens = calloc(MAX_TOKENS, sizeof(*fresh->tokens));
    int code = fresh->tokens ? read_lines(file, path, fresh, err)
                             : err_set(err, ERR_BUSY, "memory is short");
    fclose(file);
    return code;
}

int auth_load(struct auth *auth, const char *path, struct err *err)
{
    struct auth fresh = {0};
    if (path[0] && read_file(path, &fresh, err)) {
        free(fresh.tokens);
        return err->code;
    }
    pthread_mutex_lock(&auth->mutex);
    struct token *old = auth->tokens;
    auth->tokens = fresh.tokens;
    auth->n_tokens = fresh.n_tokens;
    auth->required = fresh.required;
    pthread_mutex_unlock(&auth->mutex);
    free(old);
    return 0;
}

/* ---- questions ---- */

/* The roles of a token, as bits; none when it cannot be hashed. */
static unsigned roles_of(const struct auth *auth, struct str token)
{
    unsigned char digest[SHA256_BYTES];
    unsigned roles = 0;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token.p, token.len, digest) != 0)
        return 0;
    for (size_t i = 0; i < auth->n_tokens; i++) {
        unsigned differs = 0;
        for (size_t k = 0; k < SHA256_BYTES; k++)
            differs |= (unsigned)(digest[k] ^ auth->tokens[i].digest[k]);
        roles |= differs ? 0 : auth->tokens[i].role;
    }
    return roles;
}

static unsigned roles_of_header(const struct auth *auth, struct str authorization)
{
    struct str scheme, value, user, password;
    struct buf plain;
    unsigned roles = 0;
    if (authorization.len > MAX_CREDENTIALS)
        return 0;
    str_cut(str_trim(authorization), ' ', &scheme, &value);
    value = str_trim(value);
    if (!value.len)
        return 0;
    if (str_eq_nocase(scheme, STR("Bearer")))
        return roles_of(auth, value);
    if (!str_eq_nocase(scheme, STR("Basic")))
        return 0;
    buf_init(&plain, MAX_CREDENTIALS);
    if (base64_read(value, &plain) && str_cut(buf_str(&plain), ':', &user, &password) &&
        password.len)
        roles = roles_of(auth, password);
    buf_fini(&plain);
    return roles;
}

enum auth_verdict auth_check(struct auth *auth, struct str authorization, enum auth_role role)
{
    if (!auth->required)
        return AUTH_GOOD;
    pthread_mutex_lock(&auth->mutex);
    unsigned roles = roles_of_header(auth, authorization);
    pthread_mutex_unlock(&auth->mutex);
    if (roles & ((unsigned)role | AUTH_ADMIN))
        return AUTH_GOOD;
    return roles ? AUTH_FORBIDDEN : AUTH_UNKNOWN;
}
