/* onset.c - the split of the minutes that has the greatest likelihood. */
#include "collector/localise/onset.h"

#include "collector/base/clock.h"
#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"

uint64_t onset_ns(const struct request_minute *rows, size_t n, uint64_t from_ns)
{
    double bad = 0, all = 0, sum = 0, left_bad = 0, left_all = 0, left_sum = 0;
    double best = ONSET_CHANCE, best_shift = ONSET_SHIFT;
    size_t at = n;
    uint64_t first = from_ns / NS_PER_MINUTE;
    for (size_t i = 0; i < n; i++) {
        bad += (double)rows[i].failed;
        all += (double)rows[i].n;
        sum += (double)rows[i].sum_ns;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        left_bad += (double)rows[i].failed;
        left_all += (double)rows[i].n;
        left_sum += (double)rows[i].sum_ns;
        double right_bad = bad - left_bad, right_all = all - left_all;
        if (rows[i + 1].minute < first || left_all < ONSET_REQUESTS || right_all < ONSET_REQUESTS)
            continue;
        double gain = share_likelihood(left_bad, left_all) +
                      share_likelihood(right_bad, right_all) - share_likelihood(bad, all);
        bool worse = right_bad / right_all > left_bad / left_all;
        if (worse && gain > best) {
            best = gain;
            at = i + 1;
        }
    }
    if (at < n)
        return rows[at].minute * NS_PER_MINUTE;
    left_all = left_sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        left_all += (double)rows[i].n;
        left_sum += (double)rows[i].sum_ns;
        if (rows[i + 1].minute < first || left_all < ONSET_REQUESTS ||
            all - left_all < ONSET_REQUESTS || left_sum <= 0)
            continue;
        double shift = (sum - left_sum) / (all - left_all) / (left_sum / left_all) - 1;
        if (shift > best_shift) {
            best_shift = shift;
            at = i + 1;
        }
    }
    return at < n ? rows[at].minute * NS_PER_MINUTE : 0;
}
