/* SPDX-License-Identifier: MIT */
/* Checks of what crosses intake.sock. In: packets as received. Out: a verdict; nothing is stored. */
#include "common/proto.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

void lb_proto_head_init(struct lb_proto_head *head, enum lb_proto_type type, size_t length)
{
    *head = (struct lb_proto_head) {
        .magic = LB_PROTO_MAGIC,
        .version = LB_PROTO_VERSION,
        .type = (uint16_t)type,
        .length = (uint32_t)length,
    };
}

int lb_proto_check(const void *packet, size_t got_bytes)
{
    const struct lb_proto_head *head = packet;

    if (got_bytes < sizeof *head || head->magic != LB_PROTO_MAGIC || head->length != got_bytes)
        return -EBADMSG;
    if (head->version != LB_PROTO_VERSION)
        return -EPROTONOSUPPORT;
    if (head->type < LB_PROTO_HELLO || head->type > LB_PROTO_EXIT)
        return -EBADMSG;
    return head->type;
}

int lb_service_name_is_legal(const char *name, size_t len)
{
    if (len < 1 || len > LB_PROTO_SERVICE_MAX)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && (name[i] == '\0' || !strchr("._/@:-", name[i])))
            return 0;
    return 1;
}

static int tag_is_legal(const char *tag, size_t len)
{
    const char *colon = memchr(tag, ':', len);

    if (!colon || colon == tag)
        return 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)tag[i] <= ' ' || tag[i] == '"' || tag[i] == '\\' || (unsigned char)tag[i] == 0x7f)
            return 0;
    return 1;
}

int lb_tags_are_legal(const char *tags, size_t len)
{
    if (len > LB_PROTO_TAGS_MAX)
        return 0;
    while (len > 0) {
        const char *comma = memchr(tags, ',', len);
        size_t one = comma ? (size_t)(comma - tags) : len;

        if (!tag_is_legal(tags, one))
            return 0;
        if (comma && len == one + 1)
            return 0; /* a comma at the very end announces a tag that is not there */
        tags += comma ? one + 1 : one;
        len -= comma ? one + 1 : one;
    }
    return 1;
}
