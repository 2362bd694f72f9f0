/* replay_pieces_internal.h - what the readers of a file's forms share: replay_pieces.c has the
 * window over the file, protobuf, frames and lines, replay_pieces_json.c documents of JSON.
 */
#ifndef COMMAND_REPLAY_PIECES_INTERNAL_H
#define COMMAND_REPLAY_PIECES_INTERNAL_H

#include "collector/base/buf.h"
#include "collector/base/inflate_file.h"
#include "collector/command/replay_pieces.h"

enum kind { KIND_JSON, KIND_FIELDS, KIND_FRAMES, KIND_LINES };

/* The document that is being read; offsets into the window. */
struct document {
    bool begun;
    bool cut; /* pieces of it were given already */
    bool in_string, escaped;
    bool in_list; /* the list that can be cut is open */
    bool object;  /* the document is an object, its list one of its members */
    size_t depth, begin, text_begin;
    size_t key_begin, key_end; /* of the last text in the object itself: a member's name */
    size_t from;               /* of the first element of the list that was not given */
    size_t last_end;           /* behind the last whole element; 0: none since */
    uint64_t line;             /* where it began: so many line ends stand before */
};

/* How documents stand in a file: the first and what follows it tell. */
enum form { FORM_UNKNOWN, FORM_LINES, FORM_OTHER };

struct pieces {
    struct inflate_file *file;
    size_t piece; /* from so many bytes on a list is cut */
    struct buf window;
    bool ended; /* the file has nothing more */
    enum kind kind;
    int format;  /* of lines, by the first of them; −1: not found out */
    size_t at;   /* looked at so far */
    size_t keep; /* what stands before was given and goes with the next reading */
    uint64_t passed, offset;
    struct document document;
    struct buf opening; /* {"name":[ of the list that is cut */
    bool rest;          /* the last piece was a further one, and may hold nothing known */
    enum form form;
    bool one_ended, line_ended; /* the first document, and then its line */
    bool skipping;              /* what stands in this line is not looked at */
    bool first_is_cut;          /* the first line, which was not given yet, is no document */
    uint64_t line, piece_line;  /* line ends so far; 0, or the number of the last piece's line */
    bool broken;                /* the last piece was a line that is no document */
};

/* Reads on; what was given is forgotten, and all offsets follow. */
int pieces_fill(struct pieces *pieces, struct err *err);
/* The parts as one piece, which began at this offset into the window. */
int pieces_give(struct pieces *pieces, const struct str parts[3], size_t begin, char **bytes,
                size_t *n, struct err *err);

static inline struct str window_part(const struct pieces *pieces, size_t from, size_t to)
{
    return (struct str){pieces->window.p + from, to - from};
}

/* ---- replay_pieces_json.c ---- */

/* Before the first: may find that the file's first line is no document, and its others are. */
int pieces_look_at_first_line(struct pieces *pieces, struct err *err);
int pieces_next_json(struct pieces *pieces, char **bytes, size_t *n, struct err *err);

#endif
