/* identity.h - who a span speaks for (STITCHING §1), and what kind of proxy it is. */
#ifndef DECODE_IDENTITY_H
#define DECODE_IDENTITY_H

#include "collector/decode/keys.h"

/* Fills cluster, namespace, service, version, instance, zone and proxy of span->facts. */
void identity_of_span(struct span *span, const struct seen_keys *seen);

#endif
