/* url.h - the address of a collector: as it may be printed, and of another port of it. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include "collector/base/str.h"

#define URL_SHOWN_BYTES 300

/* `url` without its user and password, which may be a token, and cut to what fits; gives `shown`.
 */
const char *url_shown(const char *url, char shown[URL_SHOWN_BYTES]);
/* `to` followed by `path`, with the user and password that `from` has, which may be a token. False
 * when it does not fit. */
bool url_as_user(const char *from, struct str to, const char *path, char *url, size_t size);

#endif
