/* native_histogram.c - prometheus.Histogram (formats: remote write 1.0).
 *
 * Buckets come as spans of neighbours with gaps between, their counts as differences (whole
 * numbers) or as they are (real numbers). Schema n has 2^n buckets a doubling: bucket i reaches up
 * to 2^(i / 2^n), where OTLP's reaches from there on. Schema -53 has bounds of its own.
 */
#include "collector/decode/native_histogram.h"

#define MAX_BUCKET_SPANS 512u
#define SCHEMA_OWN_BOUNDS (-53)
#define SCHEMA_LEAST (-4)
#define SCHEMA_MOST 8

struct bucket_span {
    int64_t offset; /* of the first: its index; then: how many are left out */
    uint64_t length;
};

/* One side of the axis. */
struct side {
    struct bucket_span spans[MAX_BUCKET_SPANS];
    uint32_t n_spans;
    bool real; /* its counts come as real numbers, else as differences */
    struct buf *counts;
};

struct native {
    struct side above, below;
    int64_t schema, at_ms;
    bool stale;
    const char *reason;
    struct raw_point *raw;
};

static uint64_t rounded(double number)
{
    return number >= 0.5 ? number < 9e18 ? (uint64_t)(number + 0.5) : INT64_MAX : 0;
}

static bool read_span(struct native *native, struct side *side, struct str bytes)
{
    struct wire wire = wire_of(bytes);
    struct bucket_span span = {0};
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 1)
            span.offset = wire_zigzag(wire.number);
        else if (wire.type == WIRE_VARINT && wire.field == 2)
            span.length = wire.number;
    }
    if (side->n_spans == MAX_BUCKET_SPANS)
        native->reason = "it has more than 512 spans of buckets";
    else
        side->spans[side->n_spans++] = span;
    return !wire.error;
}

/* What came as differences to the one before, or as real numbers, becomes counts. */
static void make_counts(struct native *native, const struct side *side)
{
    int64_t last = 0;
    for (size_t i = 0; i + sizeof(uint64_t) <= side->counts->len; i += sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, side->counts->p + i, sizeof(number));
        if (side->real)
            last = (int64_t)rounded(wire_real(number));
        else if (__builtin_add_overflow(last, wire_zigzag(number), &last) || last < 0)
            native->reason = "a bucket's count is below 0";
        memcpy(side->counts->p + i, &last, sizeof(last));
    }
}

static void read_whole(struct native *native, const struct wire *wire)
{
    if (wire->field == 1)
        native->raw->count = wire->number;
    else if (wire->field == 4)
        native->schema = wire_zigzag(wire->number);
    else if (wire->field == 6)
        native->raw->zero_count = wire->number;
    else if (wire->field == 15)
        native->at_ms = (int64_t)wire->number;
}

static void read_real(struct native *native, const struct wire *wire)
{
    double number = wire_real(wire->number);
    if (wire->field == 2) {
        native->raw->count = rounded(number);
    } else if (wire->field == 3) {
        native->raw->sum = number;
        native->stale = wire->number == STALE_BITS;
    } else if (wire->field == 7) {
        native->raw->zero_count = rounded(number);
    }
}

static bool read_field(struct metric_reading *reading, struct native *native,
                       const struct wire *wire)
{
    struct side *side = wire->field < 11 ? &native->below : &native->above;
    switch (wire->field) {
    case 8:
    case 11:
        return wire->type != WIRE_BYTES || read_span(native, side, wire->bytes);
    case 9:
    case 12:
        return wire_add_varints(wire, side->counts);
    case 10:
    case 13:
        side->real = true;
        return wire_add_fixed64(wire, side->counts);
    case 16:
        return wire_add_fixed64(wire, &reading->bounds);
    default:
        if (wire->type == WIRE_VARINT)
            read_whole(native, wire);
        else if (wire->type == WIRE_FIXED64)
            read_real(native, wire);
        return true;
    }
}

/* A gap of a few bytes may be thousands wide, so they are not added one by one. */
static void add_empty(struct buf *counts, uint64_t n)
{
    if (!n || !buf_reserve(counts, n * sizeof(uint64_t)))
        return;
    memset(counts->p + counts->len, 0, n * sizeof(uint64_t));
    counts->len += n * sizeof(uint64_t);
}

/* The counts of `side`, with those left out between them as 0, into `counts`. */
static const char *spread_out(const struct side *side, struct buf *counts, int64_t *first)
{
    const char *from = side->counts->p;
    size_t n = side->counts->len / sizeof(uint64_t);
    uint64_t total = 0, all = 0;
    for (uint32_t i = 0; i < side->n_spans; i++) {
        const struct bucket_span *span = &side->spans[i];
        if (i && span->offset < 0)
            return "its spans of buckets overlap";
        if (span->length > MAX_BUCKETS || (i && span->offset > MAX_BUCKETS))
            return "it has more than 16384 buckets";
        total += span->length;
        all += span->length + (i ? (uint64_t)span->offset : 0);
    }
    if (total != n)
        return "its spans and its buckets differ in number";
    if (all > MAX_BUCKETS)
        return "it has more than 16384 buckets";
    *first = side->n_spans ? side->spans[0].offset : 0;
    for (uint32_t i = 0; i < side->n_spans; i++) {
        if (i)
            add_empty(counts, (uint64_t)side->spans[i].offset);
        size_t bytes = side->spans[i].length * sizeof(uint64_t);
        if (bytes)
            buf_add(counts, from, bytes);
        from = bytes ? from + bytes : from;
    }
    return NULL;
}

/* Bounds of its own: as many buckets as bounds, and the one above them all. */
static const char *use_own_bounds(struct metric_reading *reading, const struct native *native)
{
    size_t n = reading->bounds.len / sizeof(double) + 1;
    int64_t first;
    struct buf *whole = &reading->counts;
    int64_t begin = native->above.n_spans ? native->above.spans[0].offset : 0;
    if (begin < 0 || begin > (int64_t)MAX_BUCKETS)
        return "a bucket lies outside its own bounds";
    add_empty(whole, (uint64_t)begin);
    const char *reason = spread_out(&native->above, whole, &first);
    if (reason)
        return reason;
    if (whole->len / sizeof(uint64_t) < n)
        add_empty(whole, n - whole->len / sizeof(uint64_t));
    return NULL;
}

static const char *use_schema(struct metric_reading *reading, struct native *native)
{
    int64_t first = 0;
    if (native->schema < SCHEMA_LEAST || native->schema > SCHEMA_MOST)
        return "its schema is not known";
    const char *reason = spread_out(&native->above, &reading->counts, &first);
    native->raw->scale = native->schema;
    native->raw->offset = first - 1;
    return reason;
}

bool native_histogram_read(struct metric_reading *reading, struct str bytes, struct raw_point *raw,
                           uint8_t *type, int64_t *at_ms)
{
    struct native native = {.raw = raw};
    struct wire wire = wire_of(bytes);
    bool good = true;
    /* Counts as they come; only those above are put in their places. */
    struct buf *compact = &reading->compact;
    buf_reset(compact);
    native.above.counts = compact;
    native.below.counts = &reading->below;
    while (good && wire_next(&wire))
        good = read_field(reading, &native, &wire);
    if (!good || wire.error)
        return false;
    make_counts(&native, &native.above);
    make_counts(&native, &native.below);
    bool own = native.schema == SCHEMA_OWN_BOUNDS;
    *type = own ? METRIC_HISTOGRAM : METRIC_EXPONENTIAL_HISTOGRAM;
    *at_ms = native.at_ms;
    raw->has_count = raw->has_sum = true;
    raw->flags = native.stale ? NO_RECORDED_VALUE : 0;
    if (!native.reason && !native.stale)
        native.reason = own ? use_own_bounds(reading, &native) : use_schema(reading, &native);
    if (!own || native.stale)
        buf_reset(&reading->bounds);
    raw->reason = native.reason;
    return true;
}
