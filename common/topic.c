/* SPDX-License-Identifier: MIT */
/* Topics and addresses of MQTT. In: what the configuration says. Out: the same taken apart, or put together.
 * Always true: what is legal has no wildcard in it. */
#include "common/topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL_SERVICES "all"

/* One level's text: no slash of it makes another. */
static int add(char *buf, size_t size, size_t *len, const char *text, bool is_level)
{
    for (; *text; text++) {
        if (*len + 1 >= size)
            return -E2BIG;
        buf[(*len)++] = is_level && strchr("/+#", *text) ? '_' : *text;
    }
    return 0;
}

int lb_topic_fill(const char *template, const char *host, char *buf, size_t size)
{
    size_t len = 0;
    int rc = 0;

    while (rc == 0 && *template) {
        char one[2] = { *template, '\0' };

        if (strncmp(template, "{host}", 6) == 0) {
            rc = add(buf, size, &len, host, true);
            template += 6;
        } else if (strncmp(template, "{service}", 9) == 0) {
            rc = add(buf, size, &len, ALL_SERVICES, true);
            template += 9;
        } else if (*template == '{' || *template == '}') {
            return -EINVAL;
        } else {
            rc = add(buf, size, &len, one, false);
            template ++;
        }
    }
    buf[len] = '\0';
    return rc;
}

bool lb_topic_is_legal(const char *topic)
{
    return topic[0] != '\0' && topic[0] != '/' && !strpbrk(topic, "+#");
}

int lb_topic_parse_address(const char *address, char *host, size_t size, bool *ret_is_secure)
{
    bool is_secure = strncmp(address, "mqtts://", 8) == 0;
    const char *start = address + (is_secure ? 8 : 7), *end = strrchr(address, ':');
    bool is_bracketed = false;
    unsigned long port;
    char *behind;

    if ((!is_secure && strncmp(address, "mqtt://", 7) != 0) || !end || end <= start)
        return -EINVAL;
    if (end[1] < '0' || end[1] > '9')
        return -EINVAL;
    port = strtoul(end + 1, &behind, 10);
    if (*behind || port < 1 || port > 65535)
        return -EINVAL;
    if (*start == '[' && end[-1] == ']') {
        start++;
        end--;
        is_bracketed = true;
    }
    if (end <= start || strcspn(start, is_bracketed ? "/@]" : "/@:[]") < (size_t)(end - start))
        return -EINVAL;
    if ((size_t)(end - start) >= size)
        return -E2BIG;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *ret_is_secure = is_secure;
    return (int)port;
}
