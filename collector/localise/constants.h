/* constants.h - every number that localising rests on, in one place, each with its reason. */
#ifndef LOCALISE_CONSTANTS_H
#define LOCALISE_CONSTANTS_H

/* A channel counts when its test is beyond three standard errors (LOCALISING §3): by chance in one
 * of so many. Who looks at a thousand keys sees that by chance alone: what counts is how many
 * findings as far from chance are to be expected of all keys that were looked at (Bonferroni). */
#define SIGNIFICANT_Z 3.0
#define SIGNIFICANT_CHANCE 0.00135
/* … and when it spoils at least a hundredth of the requests or of their time: with millions of
 * requests any difference is beyond three standard errors. */
#define SIGNIFICANT_VALUE 0.01
/* … a fifth of that while an incident stands: one entry of many has been found to suffer. */
#define SIGNIFICANT_VALUE_OF_INCIDENT 0.002

/* Latency: slow is above normal's p95; 5 % are so in normal times, and half of the calls being slow
 * counts as all of them (LOCALISING §3). */
#define SLOW_QUANTILE 0.95
#define SLOW_ALL 0.50
/* The shift of the whole distribution counts when the median moved three buckets: 2^(3/8), 30 %. */
#define MEDIAN_BUCKETS 3
/* That half of the services are slower by a factor is the hour's or the machine's: of at least so
 * many, and no more than would be a shift by itself. */
#define DRIFT_SERVICES 5
/* Where half of them, or of the ways between them, grew in the mean, as a machine makes them that
 * has more to do, what grew less than twice as much (as a factor: squared) is a hint, and what grew
 * three times as much counts whole. Half of all that grow by more than a half are a fault. */
#define GROWTH_MOST 1.5
#define GROWTH_TWICE 2.0
#define GROWTH_HINT 0.05
/* A key with fewer calls than this on either side says nothing about latency by itself: its p95 is
 * one call. */
#define MIN_TIMES 20
/* … and of all keys of a suspect together, tested by ranks: of five against five, one in 250 by
 * chance is the most that can be told. */
#define MIN_KIN_TIMES 5
/* Calls far beyond normal: twice, four and eight times its p95 are looked at. What is to be
 * expected there is told by the slowest tenth of normal's, the most that is still its tail, and by
 * one more call of no known kind, a doubling away: few calls must not make a tail steep. */
#define FAR_DOUBLING 8
#define FAR_LOOKS 3
#define FAR_TAIL 0.10
/* … and by those that were seen there; where there were none, such calls may be of another kind
 * than the tail, too rare to be seen before: one key of twenty has them. */
#define FAR_UNSEEN 0.05
/* Who of two ends owes a gap or an unreached call: the mean trouble of all its edges, to this power
 * (LOCALISING §3). */
#define END_POWER 3

/* … times this for the end of which one instance of several has what grew: the other end's trouble
 * would have come to all of them alike. */
#define INSTANCE_ODDS 10.0

/* The way between two proxies is a suspect of its own when it has so much of a gap's growth, and a
 * suspect is of that kind when that is so much of its score. */
#define NETWORK_SHARE 0.6

/* A gap is of one edge alone when of the other calls of either end no more are slow than this. */
#define CALM_SHARE 0.1

/* Calls that come later in a visit lack because one before them had no answer when no more than
 * this times its share of them do. */
#define FOLLOWS_MOST 1.25

/* A step of its own is new where its visits had no more than this share of it: exporters lose a few
 * spans of a hundred, and an answer that was lost looks like none. */
#define NEW_STEP_LEFT 0.25
/* … and one of all visits where no more than a tenth did without it. */
#define STEP_OF_ALL 0.9

/* A callee may be the one that a call without name and answer was for when its own calls became
 * fewer by so much of what those became more. */
#define NAMELESS_LEAST 0.5

/* With nothing to tell them apart a call that did not arrive is its callee's: so many times the
 * caller's part. So is the time of a callee that sends no spans: it is in the gap, its caller's is
 * not. */
#define CALLEE_PRIOR 2.0

/* Own time beside a call is the caller's, so many times the callee's part, with nothing to tell
 * them apart. */
#define OWN_PRIOR 2.0

/* An edge with so many calls counts half of one that is known well, when ends are weighed. */
#define EDGE_HALF 20.0

/* A caller reports its calls when it does for a tenth of them; where it does not, a callee to which
 * calls are missing owes its caller's failures with half the odds of the caller, times its callers
 * to which the same happens. */
#define BLIND_SHARE 0.1
#define BLIND_PRIOR 0.5
/* … but for so much where a call without an answer would leave a span, and there is none. */
#define NOT_TRIED 0.98
/* … to this power: that two are struck by chance at once is unlikelier than that one is. */
#define PLACES_POWER 2
/* … and so many times that where it has lost an instance: one that would have had so many calls and
 * had none (by chance in one of 20,000). Then it takes less to tell that calls are missing. */
#define GONE_ODDS 5.0
#define GONE_CALLS 10.0
#define GONE_Z 1.0

/* Who reports its calls and makes fewer than before, while of those left so many fail, has stopped
 * asking: half of what makes a circuit breaker open by default (Hystrix, resilience4j). */
#define BREAKER_FAILS 0.25

/* A caller takes who answers near it: calls that cross zones more than before, by so many standard
 * errors of all calls from each of the caller's zones, say as much. By chance one edge in 32,000.
 */
#define CROSSED_Z 4.0

/* Calls that never come to their callee: so many more of an edge's, for exporters that drop spans
 * when there is much to do lose a few of a hundred. */
#define UNANSWERED_LEAST 0.05

/* Calls that fail because their caller gave up did so too soon when no more than this share of them
 * took longer than normal's p95: a timeout is set beyond what calls take. */
#define GIVEN_UP_SOON 0.1

/* A failure that the request survived spoils half of it: somebody still had to do without. */
#define SURVIVED_WEIGHT 0.5

/* Flow: a call that is now the last thing a visit does speaks against its callee and its caller in
 * this proportion; value = rise × min(1, 2 × rise) × visits a request (LOCALISING §3). A callee of
 * which all else is as ever has half the odds, for what gives a wrong answer seldom shows nowhere
 * else. */
#define FLOW_CALLEE 0.6
#define FLOW_CALLER 0.4
#define FLOW_STEEPNESS 2.0
#define FLOW_AS_EVER 0.5

/* Traffic: calls a visit that became a quarter more, or a fifth fewer. It tells that something
 * changed, less that it spoilt a request: a quarter. */
#define TRAFFIC_FACTOR 1.25
#define TRAFFIC_WEIGHT 0.25

/* A request that takes over ten times what nineteen in twenty take: nobody waits for its end. */
#define LONG_REQUEST 10

/* Calls are compared by what their caller was visited for when so many of them do not tell it. */
#define UNKNOWN_SHARE 0.1

/* A newcomer that is worse than its sisters: the failures and the time are counted already, that
 * they are a newcomer's alone adds a quarter. One that came and does no worse is a hint, no more.
 */
#define CHANGE_WEIGHT 0.25
#define COINCIDENCE_VALUE 0.001
#define COINCIDENCE_Z 1.5

/* Narrowing: a value of a dimension that has this share of the trouble; at least so many times
 * worse than the rest, and where it has more than that share of the traffic, many times. */
#define NARROW_SHARE 0.8
#define NARROW_TRAFFIC 0.7
#define NARROW_EFFECT 2.0
#define NARROW_MAJOR_EFFECT 10.0
/* … and by chance in one of so many, over all values that were looked at. */
#define NARROW_CHANCE 0.001

/* A test on fewer events than these can show nothing: it is none of those that were made (Tarone
 * 1990; with half as long a time now as normal, five of five are by chance in one of 243). */
#define TEST_EVENTS 5

/* Evidence that is told beside the strongest. */
#define TELL_Z 2.0
#define TELL_Z_OF_HINT 1.0

/* An entry shows a symptom: a look every ten seconds at ten entries is a hundred thousand tests a
 * day, of which 4.5 standard errors let less than one through by chance. Longer looks are so many
 * times fewer that do not overlap: they need less, to the same number of false ones. The rise must
 * be felt: so many of its requests more fail, or are slower than normal's p95 by SLOW_BUCKETS.
 * Normal is known from so many requests; of those now, five that all fail are what fewer could not
 * tell from one client.
 */
#define SYMPTOM_Z 4.5
#define SYMPTOM_FAILED 0.02
#define SYMPTOM_SLOW 0.10
#define SYMPTOM_NORMAL 100
#define SYMPTOM_NOW 5
/* … at the first look when it is as great as this, or as far from chance; else it must show twice.
 * Beyond 5.5 standard errors chance gives one in five hundred days of such tests. */
#define SYMPTOM_Z_PLAIN 5.5
#define SYMPTOM_FAILED_HEAVY 0.15
#define SYMPTOM_SLOW_HEAVY 0.30
/* From two or three minutes it is not known how far normal scatters, nor what comes when traffic
 * has grown: against them so many more must fail, or be slower than twice normal's p95. */
#define SYMPTOM_FAILED_GROSS 0.25
#define SYMPTOM_SLOW_GROSS 0.50
/* One entry, tested exactly, needs no more normal requests than have a p95 that is not the slowest
 * of them. */
#define SYMPTOM_NORMAL_THIN 20
/* Who waits longer than twice normal's p95, eight buckets above it, counts as one whose request
 * fails: SYMPTOM_FAILED of them are felt. */
#define SLOWER_BUCKETS 8
/* Whoever is slower by less than a tenth, a bucket, does not feel it, however alike all normal
 * requests were. */
#define SLOW_BUCKETS 1

/* Minutes that scatter further than chance has it (by this many of its standard errors, in at least
 * so many minutes) make every symptom as many times less sure: failures and slowness come in bursts
 * where a neighbour is noisy, traffic where it is sent by the clock. */
#define SCATTER_PARTS 5
#define SCATTER_Z 2.0
/* … and one event more or less says nothing, where few are to be expected. */
#define SCATTER_EVENT 1.0

/* An entry has lost its traffic when a tenth is left, while the others together have half of
 * theirs: a night, or a sender that stopped, takes it from all. */
#define TRAFFIC_LEFT 0.1
#define TRAFFIC_OTHERS 0.5

/* Metrics: a robust z whose scale is the median deviation (1.4826 of it is a standard deviation of
 * what is normally distributed) + 5 % of the median + what nobody would notice (LOCALISING §3): a
 * millisecond, two points of a share, 4 MiB, one event in ten seconds, one thing. */
#define METRIC_MAD 1.4826
#define METRIC_OF_MEDIAN 0.05
#define METRIC_FLOOR_NS 1e6
#define METRIC_FLOOR_SHARE 0.02
#define METRIC_FLOOR_BYTES (4.0 * 1024 * 1024)
#define METRIC_FLOOR_RATE 0.1
#define METRIC_FLOOR_COUNT 1.0
/* The median deviation of fewer values says nothing. */
#define METRIC_LEAST 5
/* So often no counter of one process steps back in between. */
#define METRIC_STEPS_BACK 2
/* All that a metric can add to a score (LOCALISING §3), reached as z grows beyond 3; and how many
 * causes are told of one suspect. */
#define METRIC_BONUS 0.05
#define METRIC_TELLS 2

/* A diagnosis' onset: a split of the minutes with so many requests on either side; twice the log of
 * its likelihood beyond what chance gives once in a thousand; or their mean time grew by a third.
 */
#define ONSET_REQUESTS 30
#define ONSET_CHANCE 10.8
#define ONSET_SHIFT 0.3

/* A mesh's series without spans: so much of the failures that a service saw downstream is carried
 * on (LOCALISING §3); means of so many normal minutes show how they scatter; a tenth of a
 * millisecond is what proxies' own times scatter by. */
#define SERIES_CARRIED 0.9
#define SERIES_LEAST 4
#define SERIES_OF_MEAN 0.10 /* what they are taken to scatter by where there are fewer */
#define SERIES_FLOOR_NS 1e5

/* Series of single services, without anybody's requests (gauges.c): what they say of requests is
 * summed by half a minute, two scrapes of the usual quarter; where normal times have fewer than ten
 * such steps, by as little as two of the points that came. A cause says at most as much as ten
 * times more of it does: how idle somebody was before says nothing. What piles up where somebody
 * waits speaks half for it, as it is as often an effect. */
#define GAUGE_STEP_NS (30 * NS_PER_S)
#define GAUGE_STEP_LEAST_NS (10 * NS_PER_S)
#define GAUGE_LEAST 10
#define GAUGE_MOST 2.302585
#define GAUGE_WAITING 0.5

/* An entry is slower by its series when its mean time grew by three buckets, as with medians. */
#define SERIES_SLOWER 0.30

/* Confidence grows with the smaller sample: 63 % of what can be had at this many requests. 300 a
 * side are enough for the first place (LOCALISING §6). */
#define CONFIDENT_REQUESTS 150.0

/* Two versions at the same time (LOCALISING §5). Intervals that hold at every look are tightest at
 * 300 calls a side, that is at 150 of one sample; 8 is where such an interval is least wide at 95
 * %. */
#define COMPARE_ALPHA 0.05
#define COMPARE_MIXTURE 8.0
#define COMPARE_BEST_AT 150.0
/* Less than this is no difference: a point of failures, a tenth of the median and a tenth of a
 * millisecond, five points of calls above the baseline's p95 (5 % are in normal times). */
#define COMPARE_SHARE 0.01
#define COMPARE_SHIFT 0.10
#define COMPARE_SHIFT_FLOOR_NS 100000.0
#define COMPARE_SLOW 0.05
/* Calls made for each call taken: a twentieth fewer are requests that stop; more are a new feature,
 * until they double and are one more for every call. */
#define COMPARE_FEWER 0.05
#define COMPARE_MORE 1.0
/* What comes in is alike when the shares of callers and operations differ by no more than this,
 * and by what chance gives. */
#define COMPARE_MIX 0.10

#endif
