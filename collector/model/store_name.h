/* store_name.h - whose database, cache or queue is it, by its name: carts-db is that of carts,
 * redis-cart of cartservice, and a mere mysql anybody's.
 */
#ifndef MODEL_STORE_NAME_H
#define MODEL_STORE_NAME_H

#include "collector/base/str.h"

bool store_may_be_of(struct str store, struct str service);

#endif
