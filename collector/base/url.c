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
