/* fuzz_replay_pieces.c - any bytes as a file that is replayed: in pieces as small as can be it
 * holds what it holds as a whole.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "collector/command/replay_pieces.h"
#include "collector/decode/decode.h"
#include "tests/fuzz/fuzz.h"

struct file {
    char path[64];
    size_t piece;
    bool all_known; /* every piece was decoded */
    uint64_t n_records;
    int code;
};

static void count(struct file *file, const struct pieces *pieces, struct str bytes)
{
    struct content content;
    struct batch *batch;
    struct err err = {0};
    int lines = pieces_format(pieces);
    if (pieces_is_broken(pieces)) {
        FUZZ_CHECK(!bytes.len && pieces_line(pieces), "a broken line of no number, or with bytes");
        file->all_known = false;
        return;
    }
    if (lines >= 0) {
        content = (struct content){SIGNAL_TRACES, (uint8_t)lines, ENCODING_IDENTITY};
    } else if (!decode_guess(bytes, &content)) {
        file->all_known = file->all_known && pieces_is_rest(pieces);
        return;
    }
    if (decode_content(content, bytes, &limits_default, &batch, &err)) {
        file->all_known = false;
        return;
    }
    file->n_records += batch_records(batch) + batch->counts.n_rejected;
    batch_free(batch);
}

static void read_all(void *ctx)
{
    struct file *file = ctx;
    struct pieces *pieces;
    struct err err = {0};
    char *bytes;
    size_t n;
    file->all_known = true;
    file->n_records = 0;
    file->code = pieces_open(file->path, -1, file->piece, &pieces, &err);
    if (file->code)
        return;
    while ((file->code = pieces_next(pieces, &bytes, &n, &err)) == 0 && bytes) {
        count(file, pieces, (struct str){bytes, n});
        free(bytes);
    }
    FUZZ_CHECK(!file->code || err.text[0], "code %d without a text", file->code);
    pieces_close(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file whole = {.piece = SIZE_MAX}, cut = {.piece = 1};
    int fd = memfd_create("file", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file in memory");
    snprintf(whole.path, sizeof(whole.path), "/proc/self/fd/%d", fd);
    snprintf(cut.path, sizeof(cut.path), "/proc/self/fd/%d", fd);
    read_all(&whole);
    read_all(&cut);
    FUZZ_CHECK(whole.code == cut.code, "code %d whole, %d cut", whole.code, cut.code);
    if (!whole.code && whole.all_known)
        FUZZ_CHECK(cut.all_known && whole.n_records == cut.n_records, "%llu whole, %llu cut",
                   (unsigned long long)whole.n_records, (unsigned long long)cut.n_records);
    fuzz_short(read_all, &cut, size);
    close(fd);
    return 0;
}
