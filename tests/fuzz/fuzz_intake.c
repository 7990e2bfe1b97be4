/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what comes through intake.sock, before anything is believed: a packet, a service name,
 * and tags. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: what is called
 * legal keeps the rules that others rely on, and escaped text is as long as its bound says at most.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

/* The first byte says whether the head is made right, so that what lies behind it is reached. */
static void check_packet(uint8_t *packet, size_t size, uint8_t how)
{
    struct lb_proto_head head;
    int type;

    if (how % 2 && size >= sizeof head) {
        lb_proto_head_init(&head, (enum lb_proto_type)(how / 2 % 13), size);
        memcpy(packet, &head, sizeof head);
    }
    type = lb_proto_check(packet, size);
    must(type < 0 || (type >= LB_PROTO_HELLO && type <= LB_PROTO_EXIT && size >= sizeof head));
}

static void check_text(const char *text, size_t size)
{
    char *json = malloc(lb_json_bound(size));

    must((size_t)(lb_json_escape(json, text, size) - json) <= 6 * size);
    free(json);
    if (lb_service_name_is_legal(text, size))
        must(size >= 1 && size <= LB_PROTO_SERVICE_MAX && !memchr(text, '\0', size) &&
             !memchr(text, '"', size) && !memchr(text, '\n', size));
    if (lb_tags_are_legal(text, size) && size > 0)
        must(size <= LB_PROTO_TAGS_MAX && memchr(text, ':', size) && !memchr(text, '"', size) &&
             !memchr(text, ' ', size) && text[0] != ',' && text[size - 1] != ',');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (size < 1)
        return 0;
    copy = malloc(size > 1 ? size - 1 : 1); /* its own block: a read past it is seen */
    memcpy(copy, data + 1, size - 1);
    check_text((const char *)copy, size - 1);
    check_packet(copy, size - 1, data[0]);
    free(copy);
    return 0;
}
