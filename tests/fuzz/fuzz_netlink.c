/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as messages of rtnetlink. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: the
 * look ends, reads nothing beyond what there is, finds no more than fits, and what lies behind a cut can only
 * add to what was found before it.
 *
 * The first byte says whether the first message is made right (its length and its type), so that what lies
 * behind it is reached; the second where the cut is.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/netwatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

/* In a block of its own, aligned as malloc() does: a read past it is seen. */
static unsigned count(const uint8_t *data, unsigned size)
{
    uint8_t *copy = malloc(size ? size : 1);
    unsigned found;

    must(copy != NULL);
    memcpy(copy, data, size);
    found = lb_netwatch_count(copy, size);
    must(found == lb_netwatch_count(copy, size) && memcmp(copy, data, size) == 0);
    must(found <= size / (sizeof(struct nlmsghdr) + sizeof(struct ifaddrmsg)));
    free(copy);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nlmsghdr head;
    uint8_t how, *messages;
    unsigned len, cut;

    if (size < 2)
        return 0;
    how = data[0];
    len = (unsigned)size - 2;
    cut = len * data[1] / 256;
    messages = malloc(len ? len : 1);
    must(messages != NULL);
    memcpy(messages, data + 2, len);
    if (how % 2 && len >= sizeof head) {
        memcpy(&head, messages, sizeof head);
        head.nlmsg_type = how & 2 ? RTM_NEWADDR : RTM_NEWROUTE;
        head.nlmsg_len = len - how / 4 % 64;
        memcpy(messages, &head, sizeof head);
    }
    must(count(messages, cut) <= count(messages, len));
    free(messages);
    return 0;
}
