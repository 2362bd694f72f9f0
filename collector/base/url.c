/* url.c - see url.h. */
#include "collector/base/url.h"

#include <stdio.h>
#include <string.h>

/* Up to the last '@': a token with a '/' in it, which no URL may have there, must not show either.
 */
const char *url_shown(const char *url, char shown[URL_SHOWN_BYTES])
{
    const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
    int n_scheme = scheme ? (int)(scheme + 3 - url) : 0;
    snprintf(shown, URL_SHOWN_BYTES, "%.*s%s", at ? n_scheme : 0, url, at ? at + 1 : url);
    return shown;
}

bool url_as_user(const char *from, struct str to, const char *path, char *url, size_t size)
{
    const char *user = strstr(from, "://"), *at = strrchr(from, '@');
    const char *host = memmem(to.p, to.len, "://", 3);
    user = user ? user + 3 : from;
    host = host ? host + 3 : to.p;
    int n_user = at && at > user ? (int)(at + 1 - user) : 0;
    int n = snprintf(url, size, "%.*s%.*s%.*s%s", (int)(host - to.p), to.p, n_user, user,
                     (int)(to.p + to.len - host), host, path);
    return n > 0 && (size_t)n < size;
}
