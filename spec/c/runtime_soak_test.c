/* SPDX-License-Identifier: MIT */
/*
 * The runtime for longer and with more: a million messages through an actor (a hundred million with
 * LONG=1 in the environment), each checked; a runtime that has nothing to do uses no processor;
 * 100,000 actors. Rates and sizes are printed, not asserted.
 */
#include "runtime_helper.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "rk_dev.h"

typedef struct echo_message { /* of the stock kernel */
  uint64_t seq;
  uint64_t checksum;
  char text[48];
} echo_message;

static rk_kernel *stock(const char *name)
{
  rk_kernel *kernel = NULL;
  assert_int_equal(rk_kernel_stock(name, &kernel, NULL), RK_OK);
  return kernel;
}

static uint32_t echo_type(rk_actor *actor)
{
  uint32_t type = 0;
  size_t size = 0;
  assert_int_equal(rk_actor_type(actor, "Echo", &type, &size, NULL), RK_OK);
  assert_int_equal(size, sizeof(echo_message));
  return type;
}

static void fill(echo_message *m, uint64_t seq)
{
  m->seq = seq;
  for (size_t i = 0; i < sizeof(m->text) / 8; ++i) {
    uint64_t word = (seq + i) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(m->text + 8 * i, &word, 8);
  }
  m->checksum = rkd_checksum(m->text, sizeof(m->text));
}

/* Sends in batches as long as there is room, takes what comes, checks all of it. */
static void a_long_stream(void **state)
{
  (void)state;
  const char *is_long = getenv("LONG");
  const uint64_t total = is_long != NULL && is_long[0] == '1' ? UINT64_C(100000000)
                                                              : ROUNDS(UINT64_C(1000000));
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 1});
  rk_kernel *echo = stock("echo");
  rk_actor *actor = launch(rt, echo, 1024, 0);
  uint32_t type = echo_type(actor);
  uint64_t sent = 0, got = 0, bad = 0, start = rk_clock_mono_ns();
  while (got < total) {
    rk_received r;
    void *payload = NULL;
    bool moved = false;
    for (int i = 0; i < 64 && sent < total; ++i) {
      if (rk_actor_reserve(actor, type, sizeof(echo_message), 0, &payload, NULL) != RK_OK) {
        break;
      }
      fill(payload, sent);
      (void)rk_actor_commit_quiet(actor, NULL);
      ++sent;
      moved = true;
    }
    rk_runtime_flush(rt);
    while (rk_actor_try_receive(actor, &r) == RK_OK) {
      const echo_message *m = r.data;
      bad += r.size != sizeof(*m) || m->seq != got ||
             m->checksum != rkd_checksum(m->text, sizeof(m->text));
      ++got;
      moved = true;
    }
    if (!moved) {
      (void)rk_runtime_wait(rt, SECOND);
    }
  }
  double seconds = (double)(rk_clock_mono_ns() - start) / 1e9;
  assert_int_equal(bad, 0);
  assert_int_equal(stats_of(actor).processed, total);
  assert_int_equal(letters(rt), 0);
  print_message("%llu messages there and back, checked: %.2f s, %.2f million a second\n",
                (unsigned long long)total, seconds, (double)total / seconds / 1e6);
  rk_actor_release(actor);
  rk_kernel_close(echo);
  close_runtime(rt);
}

static double processor_seconds(void)
{
  struct rusage usage;
  assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
         ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

/* Processor time of a second in which nothing is to be done, as a share of one core. */
static double share_of_a_second(void)
{
  rk_clock_sleep(100 * MILLISECOND);
  double before = processor_seconds();
  uint64_t start = rk_clock_mono_ns();
  rk_clock_sleep(SECOND);
  return (processor_seconds() - before) / ((double)(rk_clock_mono_ns() - start) / 1e9);
}

static void nothing_to_do_costs_nothing(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 4});
  rk_kernel *echo = stock("echo");
  rk_actor *actors[100];
  for (int i = 0; i < 100; ++i) {
    echo_message m;
    actors[i] = launch(rt, echo, 16, i % 4);
    fill(&m, 1);
    assert_int_equal(
        rk_actor_send(actors[i], echo_type(actors[i]), &m, sizeof(m), NULL, NULL, NULL), RK_OK);
  }
  double idle = share_of_a_second();
  assert_true(idle < 0.01);
  /* The same while actors wait for a host that takes nothing. */
  for (int i = 0; i < 4; ++i) {
    uint32_t type = echo_type(actors[i]);
    echo_message m;
    fill(&m, 2);
    for (uint64_t quiet = rk_clock_mono_ns(); rk_clock_mono_ns() - quiet < 20 * MILLISECOND;) {
      if (rk_actor_send(actors[i], type, &m, sizeof(m), NULL, NULL, NULL) == RK_OK) {
        quiet = rk_clock_mono_ns();
      }
    }
  }
  print_message(
      "an idle runtime of 4 blocks uses %.3f %% of a core, one whose actors are stuck %.3f %%\n",
      100 * idle, 100 * share_of_a_second());
  for (int i = 0; i < 100; ++i) {
    rk_actor_release(actors[i]);
  }
  rk_kernel_close(echo);
  close_runtime(rt);
}

static uint64_t resident_bytes(void)
{
  void *text = NULL;
  size_t size = 0;
  unsigned long long total = 0, resident = 0;
  assert_int_equal(rk_platform_current()->file_read("/proc/self/statm", 4096, &text, &size, NULL),
                   RK_OK);
  assert_int_equal(sscanf(text, "%llu %llu", &total, &resident), 2);
  rk_free(text);
  return resident * rk_page_bytes();
}

static void many_actors(void **state)
{
  (void)state;
  const uint32_t count = IS_SANITIZED ? 10000 : 100000;
  rk_actor **actors = rk_calloc(count, sizeof(*actors));
  assert_non_null(actors);
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_kernel *echo = stock("echo");
  uint64_t memory = resident_bytes(), start = rk_clock_mono_ns();
  for (uint32_t i = 0; i < count; ++i) {
    actors[i] = NULL;
    rk_launch_options options = {.block = -1};
    assert_int_equal(rk_actor_launch(rt, echo, &options, &actors[i], NULL, NULL), RK_OK);
  }
  double launched = (double)(rk_clock_mono_ns() - start) / 1e9;
  uint64_t idle_bytes = (resident_bytes() - memory) / count;
  uint32_t type = echo_type(actors[0]);
  start = rk_clock_mono_ns();
  uint32_t got = 0;
  for (uint32_t i = 0; i < count; ++i) {
    echo_message m;
    fill(&m, i);
    assert_int_equal(rk_actor_send(actors[i], type, &m, sizeof(m), NULL, NULL, NULL), RK_OK);
  }
  for (uint32_t i = 0; i < count; ++i) {
    rk_received r;
    assert_int_equal(receive_within(rt, actors[i], &r, 10 * SECOND), RK_OK);
    got += ((const echo_message *)r.data)->seq == i;
  }
  assert_int_equal(got, count);
  double messaged = (double)(rk_clock_mono_ns() - start) / 1e9;
  uint64_t used_bytes = (resident_bytes() - memory) / count;
  start = rk_clock_mono_ns();
  for (uint32_t i = 0; i < count; i += 2) {
    assert_int_equal(rk_actor_terminate(actors[i], NULL), RK_OK);
  }
  for (uint32_t i = 0; i < count; ++i) {
    rk_actor_release(actors[i]);
  }
  rk_kernel_close(echo);
  rk_free(actors);
  live_before -= 1; /* the table was there before the runtime */
  close_runtime(rt);
  double closed = (double)(rk_clock_mono_ns() - start) / 1e9;
  print_message(
      "%u actors: launched in %.2f s, a message each in %.2f s, ended in %.2f s; %llu bytes each, "
      "%llu once used\n",
      count, launched, messaged, closed, (unsigned long long)idle_bytes,
      (unsigned long long)used_bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_long_stream),
      cmocka_unit_test(nothing_to_do_costs_nothing),
      cmocka_unit_test(many_actors),
  };
  return cmocka_run_group_tests_name("soak", tests, make_cache, remove_cache);
}
