/* cidr.c - networks and addresses, IPv4 as mapped IPv6; what settings say of addresses and names.
 */
#include <arpa/inet.h>

#include "collector/stitch/stitch.h"

static bool address_parse(struct str text, uint8_t address[16], bool *is_v4)
{
    char copy[64];
    if (!text.len || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(address, mapped, sizeof(mapped));
    *is_v4 = inet_pton(AF_INET, copy, address + 12) == 1;
    return *is_v4 || inet_pton(AF_INET6, copy, address) == 1;
}

bool cidr_parse(struct str text, struct cidr *cidr)
{
    struct str address, bits;
    uint64_t n = 128;
    bool is_v4, has_bits = str_cut(str_trim(text), '/', &address, &bits);
    if (!address_parse(address, cidr->address, &is_v4))
        return false;
    if (has_bits && (!str_to_u64(bits, &n) || n > (is_v4 ? 32 : 128)))
        return false;
    cidr->bits = (uint8_t)(has_bits && is_v4 ? n + 96 : has_bits ? n : 128);
    return true;
}

static bool contains(const struct cidr *cidr, const uint8_t address[16])
{
    unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;
    if (memcmp(cidr->address, address, whole) != 0)
        return false;
    return !rest || (cidr->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool cidr_contains(const struct cidr *cidrs, size_t n, struct str text)
{
    uint8_t address[16];
    bool is_v4;
    if (!address_parse(text, address, &is_v4))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (contains(&cidrs[i], address))
            return true;
    }
    return false;
}

bool address_is_loopback(struct str address)
{
    return str_starts(address, STR("127.")) || str_eq(address, STR("::1")) ||
           str_eq(address, STR("localhost"));
}

struct str knowledge_alias(const struct knowledge *knowledge, struct str service)
{
    for (size_t i = 0; i < knowledge->n_alias; i++) {
        if (str_eq(knowledge->alias[i].from, service))
            return knowledge->alias[i].to;
    }
    return service;
}

/* Of several networks that hold it the narrowest. */
struct str knowledge_zone(const struct knowledge *knowledge, struct str text)
{
    uint8_t address[16];
    bool is_v4;
    const struct zone *narrowest = NULL;
    if (!knowledge->n_zones || !address_parse(text, address, &is_v4))
        return STR_NONE;
    for (size_t i = 0; i < knowledge->n_zones; i++) {
        const struct zone *zone = &knowledge->zones[i];
        if (contains(&zone->network, address) &&
            (!narrowest || zone->network.bits > narrowest->network.bits))
            narrowest = zone;
    }
    return narrowest ? narrowest->name : STR_NONE;
}
