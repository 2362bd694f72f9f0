/* base64.c - six bits a digit. */
#include "collector/base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buf *out, struct str bytes)
{
    uint32_t held = 0;
    int n_held = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        held = held << 8 | (unsigned char)bytes.p[i];
        for (n_held += 8; n_held >= 6; n_held -= 6)
            buf_add_char(out, digits[held >> (n_held - 6) & 63]);
    }
    if (n_held)
        buf_add_char(out, digits[held << (6 - n_held) & 63]);
}

bool base64_read(struct str text, struct buf *out)
{
    uint32_t held = 0;
    int n_held = 0;
    while (text.len && text.p[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.p[i] ? strchr(digits, text.p[i]) : NULL;
        if (!digit)
            return false;
        held = held << 6 | (uint32_t)(digit - digits);
        n_held += 6;
        if (n_held >= 8) {
            n_held -= 8;
            buf_add_char(out, (char)(held >> n_held & 255));
        }
    }
    return !buf_failed(out);
}
