/* SPDX-License-Identifier: MIT */
/*
 * A race, to see that ThreadSanitizer sees one: two threads count in one word without a lock. In: nothing.
 * Out: nothing; built with -fsanitize=thread it leaves a report. Where it does not, silence of others means
 * nothing.
 */
#include <pthread.h>
#include <stdio.h>

static unsigned long count;

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++)
        count++;
    return NULL;
}

int main(void)
{
    pthread_t other;

    if (pthread_create(&other, NULL, count_up, NULL) != 0)
        return 1;
    count_up(NULL);
    pthread_join(other, NULL);
    printf("%lu\n", count);
    return 0;
}
