/* diagnose.h - a diagnosis from the database: roll-ups read, localise() asked, examples and onset
 * added. For the command, the API and the incidents.
 */
#ifndef COMMAND_DIAGNOSE_H
#define COMMAND_DIAGNOSE_H

#include "collector/model/diagnosis.h"
#include "collector/store/query.h"

/* Fills *diagnosis; its texts lie in `arena`, or in tables that *texts owns: give it to
 * diagnosis_texts_free() when the diagnosis is done with. */
struct diagnosis_texts;
int diagnose(struct query *query, const struct diagnosis_request *request, struct arena *arena,
             struct diagnosis *diagnosis, struct diagnosis_texts **texts, struct err *err);
void diagnosis_texts_free(struct diagnosis_texts *texts);

/* The fewest suspects that are asked of localise() where metrics rank them again. */
#define SUSPECTS_WEIGHED 10
/* What metrics say of the suspects, in both windows of the diagnosis; then the first `limit` stay.
 * With `stores` also whether it is the first one's database, cache or queue that sends no spans.
 */
int diagnosis_add_metrics(struct query *query, struct arena *arena, uint32_t limit, bool stores,
                          struct diagnosis *diagnosis, struct err *err);

/* The same from the mesh's own series, where no span came in either window: windows as they are
 * set, then verdict, onset, suspects. */
int diagnose_series(struct query *query, const struct diagnosis_request *request,
                    struct arena *arena, struct diagnosis *diagnosis, struct err *err);

/* The same from what single services say of themselves, where neither spans nor a mesh's series
 * tell of requests. Leaves the verdict as it is where they tell of none either. */
int diagnose_gauges(struct query *query, const struct diagnosis_request *request,
                    struct arena *arena, struct diagnosis *diagnosis, struct err *err);

/* What everybody's metrics say where requests speak against nobody: hints. */
int diagnosis_add_hints(struct query *query, bool spans, uint32_t limit, struct arena *arena,
                        struct diagnosis *diagnosis, struct err *err);

/* Says it when not all series could be read. */
void series_cut(const struct mesh_series_list *list);

/* Traces that show the suspect, of the diagnosis' windows, and a good one. */
void diagnosis_add_examples(struct query *query, const struct diagnosis *diagnosis,
                            struct suspect *suspect);

/* Adds to suspect->narrowed: of the requests that it takes part in, what the failed have, or those
 * that are slower than normal's p95, and the others have not. */
void diagnosis_add_attributes(struct query *query, const struct diagnosis *diagnosis,
                              struct arena *arena, struct suspect *suspect);

/* The same as the JSON of CONTRACT §7. */
int diagnose_json(struct query *query, const struct diagnosis_request *request, struct buf *out,
                  struct err *err);

#endif
