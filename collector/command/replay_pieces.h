/* replay_pieces.h - a file of any size in pieces that are whole by themselves.
 *
 * JSON: each document by itself; a document larger than a piece is cut between the elements of its
 * list (a list, or an object that holds one: {"resourceSpans":[…]}, {"data":[…]}), and each cut
 * gets the brackets that it lost; where each stands in a line, a line that is none is told.
 * Protobuf: cut between two fields. Framed files (each message behind its length in four bytes, as
 * the OpenTelemetry Collector writes protobuf and compressed JSON): message by message. Access
 * logs: behind whole lines.
 */
#ifndef COMMAND_REPLAY_PIECES_H
#define COMMAND_REPLAY_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/err.h"

struct pieces;

/* `format`: what the file is said to be; -1: by its content. `piece`: from so many bytes on a list
 * is cut, at least 1. */
int pieces_open(const char *path, int format, size_t piece, struct pieces **pieces,
                struct err *err);
void pieces_close(struct pieces *pieces); /* NULL is fine */
/* The next piece: gives malloc'd bytes with a NUL behind them, NULL at the end. ERR_TOO_BIG: what
 * cannot be cut is larger than 256 MiB. */
int pieces_next(struct pieces *pieces, char **bytes, size_t *n, struct err *err);
/* Where the last piece began, in bytes of the (decompressed) file. */
uint64_t pieces_offset(const struct pieces *pieces);
/* How many bytes of the file itself have been read, of its size. */
uint64_t pieces_passed(const struct pieces *pieces);
/* Of a file of lines the format that its first line showed, for any line may be a bad one; -1: each
 * piece tells by itself. */
int pieces_format(const struct pieces *pieces);
/* Of documents that stand each in a line: the number of the last piece's, from 1; 0: they do not.
 */
uint64_t pieces_line(const struct pieces *pieces);
/* Was the last piece such a line that is no document? Then it has no bytes, and the next one is
 * behind it. */
bool pieces_is_broken(const struct pieces *pieces);
/* Is the last piece a further one of a document that began before, and may it hold nothing that is
 * known? */
bool pieces_is_rest(const struct pieces *pieces);

#endif
