/* far.c - how many calls are to be expected out there, and how many are. */
#include "collector/localise/far.h"

#include <math.h>

#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"

/* Of normal times: how many lie beyond its start, and how many buckets in all. */
struct tail {
    unsigned start;
    double n, distance;
};

static struct tail tail_of(const struct histogram *normal)
{
    struct tail tail = {.start = histogram_bucket(histogram_quantile(normal, 1 - FAR_TAIL)),
                        .n = 1,
                        .distance = FAR_DOUBLING};
    for (unsigned b = tail.start + 1; b < normal->low + normal->cap; b++) {
        double count = (double)count_in(normal, b);
        tail.n += count;
        tail.distance += count * (b - tail.start - 0.5);
    }
    return tail;
}

static double beyond(const struct histogram *histogram, unsigned bucket)
{
    return share_above(histogram, bucket) * (double)histogram->n;
}

/* What is above the bucket takes so much longer than `usual`. */
static double time_beyond(const struct histogram *now, unsigned bucket, double usual_ns)
{
    double sum = 0;
    for (unsigned b = bucket + 1; b < now->low + now->cap; b++) {
        double ns = ((double)histogram_upper_ns(b) + (double)histogram_upper_ns(b - 1)) / 2;
        sum += (double)count_in(now, b) * (ns - usual_ns);
    }
    return sum;
}

struct far_calls far_calls(const struct histogram *normal, const struct histogram *now)
{
    struct far_calls far = {0};
    if (normal->n <= 0 || now->n <= 0)
        return far;
    double n = (double)normal->n, m = (double)now->n, best = 0;
    struct tail tail = tail_of(normal);
    unsigned p95 = histogram_bucket(histogram_quantile(normal, SLOW_QUANTILE));
    for (int i = 1; i <= FAR_LOOKS; i++) {
        unsigned bucket = p95 + FAR_DOUBLING * (unsigned)i;
        double seen = beyond(now, bucket), before = beyond(normal, bucket);
        if (seen <= 0)
            break;
        double share =
            FAR_TAIL * pow(tail.distance / (tail.distance + (bucket - tail.start)), tail.n);
        share = fmax(share, fmax(before, FAR_UNSEEN) / n);
        double z = rare_z(before, n, seen, m, share * n);
        if (z <= best)
            continue;
        best = z;
        far.n = fmax(0, seen - share * m);
        far.share = far.n / m;
        far.ns = time_beyond(now, bucket, (double)histogram_quantile(normal, 0.5)) * far.n / seen;
    }
    double chance = FAR_LOOKS * chance_beyond(best);
    far.z = best > 0 && chance < 0.5 ? z_beyond(fmax(chance, 1e-300)) : 0;
    return far.z > 0 ? far : (struct far_calls){0};
}
