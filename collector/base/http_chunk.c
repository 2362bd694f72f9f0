/* http_chunk.c - one byte at a time where lines are, whole runs where data is. */
#include "collector/base/http_chunk.h"

#include "collector/base/http_head.h"

#define MOST_DIGITS 16
#define MOST_SKIPPED 4096

static enum chunk_state bad_if(bool is_bad, enum chunk_state otherwise)
{
    return is_bad ? CHUNK_BAD : otherwise;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static enum chunk_state in_size(struct chunk_reader *reader, char c)
{
    int digit = digit_of(c);
    if (digit >= 0) {
        reader->left = reader->left << 4 | (unsigned)digit;
        return bad_if(++reader->n_digits > MOST_DIGITS, CHUNK_SIZE);
    }
    if (!reader->n_digits)
        return CHUNK_BAD;
    return c == '\r' ? CHUNK_SIZE_LF : bad_if(c != ';', CHUNK_EXTENSION);
}

/* In an extension or a trailer's value: until its carriage return. */
static enum chunk_state in_line(struct chunk_reader *reader, char c, enum chunk_state end)
{
    unsigned char byte = (unsigned char)c;
    if (c == '\r')
        return end;
    bool control = (byte < 0x20 && c != '\t') || byte == 0x7f;
    return bad_if(control || ++reader->n_skipped > MOST_SKIPPED, reader->state);
}

static enum chunk_state after_size(struct chunk_reader *reader, char c)
{
    reader->n_digits = 0;
    return bad_if(c != '\n', reader->left ? CHUNK_DATA : CHUNK_TRAILER);
}

/* A name, as in the head. A request that follows where the empty line is missing has none. */
static enum chunk_state in_name(struct chunk_reader *reader, char c)
{
    return bad_if(!http_is_token_byte((unsigned char)c) || ++reader->n_skipped > MOST_SKIPPED,
                  CHUNK_TRAILER_NAME);
}

static enum chunk_state step(struct chunk_reader *reader, char c)
{
    switch (reader->state) {
    case CHUNK_SIZE:
        return in_size(reader, c);
    case CHUNK_SIZE_LF:
        return after_size(reader, c);
    case CHUNK_EXTENSION:
        return in_line(reader, c, CHUNK_SIZE_LF);
    case CHUNK_DATA_CR:
        return bad_if(c != '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        return bad_if(c != '\n', CHUNK_SIZE);
    case CHUNK_TRAILER:
        return c == '\r' ? CHUNK_END_LF : in_name(reader, c);
    case CHUNK_TRAILER_NAME:
        return c == ':' ? CHUNK_TRAILER_LINE : in_name(reader, c);
    case CHUNK_TRAILER_LINE:
        return in_line(reader, c, CHUNK_TRAILER_LF);
    case CHUNK_TRAILER_LF:
        return bad_if(c != '\n', CHUNK_TRAILER);
    case CHUNK_END_LF:
        return bad_if(c != '\n', CHUNK_END);
    default:
        return CHUNK_BAD;
    }
}

struct str chunk_next(struct chunk_reader *reader, struct str *input)
{
    while (input->len && reader->state != CHUNK_DATA && reader->state < CHUNK_END) {
        reader->state = step(reader, input->p[0]);
        *input = (struct str){input->p + 1, input->len - 1};
    }
    if (!input->len || reader->state != CHUNK_DATA)
        return STR_NONE;
    size_t n = reader->left < input->len ? (size_t)reader->left : input->len;
    struct str data = {input->p, n};
    *input = (struct str){input->p + n, input->len - n};
    reader->left -= n;
    if (!reader->left)
        reader->state = CHUNK_DATA_CR;
    return data;
}
