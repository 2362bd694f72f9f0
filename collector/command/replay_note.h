/* replay_note.h - which files a replay reads, and, of one that sends to a collector, a note of how
 * many pieces were acknowledged: after an interruption the same command goes on behind them. Notes
 * are small files in $XDG_STATE_HOME/faultline (~/.local/state/faultline). What goes into a
 * database is noted there (store.h).
 */
#ifndef COMMAND_REPLAY_NOTE_H
#define COMMAND_REPLAY_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number for the files (their sizes, times of change and beginnings, in this order) and for `how`
 * they are read; 0 when one of them is none that can be read again, as a pipe. */
uint64_t replay_files(const char *const *paths, size_t n, const char *how);

struct replay_note {
    int fd; /* −1: nothing is noted */
    char path[4096];
};

/* Gives how many pieces an interrupted replay noted, and by how much it moved times (*shift_ns
 * stays without); 0 without, or when nothing can be noted. */
uint64_t replay_note_open(struct replay_note *note, uint64_t files, int64_t *shift_ns);
void replay_note_put(struct replay_note *note, uint64_t n_pieces, int64_t shift_ns);
/* `whole`: there is nothing to go on with, and the note goes. */
void replay_note_close(struct replay_note *note, bool whole);

#endif
