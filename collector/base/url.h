/* url.h - the address of a collector as it may be printed. */
#ifndef BASE_URL_H
#define BASE_URL_H

#define URL_SHOWN_BYTES 300

/* `url` without its user and password, which may be a token, and cut to what fits; gives `shown`.
 */
const char *url_shown(const char *url, char shown[URL_SHOWN_BYTES]);

#endif
