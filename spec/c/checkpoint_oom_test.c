/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints of a runtime: sections with any bit flipped or cut anywhere are read without harm, and
 * saving and restoring with each allocation failing once leave the runtime as it was.
 */
#include "runtime_helper.h"

#include "runtime/checkpoint.h"

static const kernel_form keeper_form = {
    .name = "keeper",
    .ports = {"out"},
    .state = "rk_u64 n; rk_u64 sum;",
    .source = "RK_ON(Num) {\n"
              "  state->n += 1; state->sum += msg->a;\n"
              "  rk_send_to(ctx, 0, Num, msg);\n"
              "  rk_send(ctx, RK_PORT_out, Num, msg);\n"
              "}\n",
};

typedef struct scene {
  rk_runtime *rt;
  rk_kernel *kernel;
  rk_actor *a, *b;
} scene;

static char text[TEXT_BYTES];
static char path[400];

static void put_some(rk_actor *actor, unsigned count)
{
  for (unsigned i = 1; i <= count; ++i) {
    const num m = {.seq = i, .a = i};
    assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), NULL, NULL, NULL), RK_OK);
  }
}

/* Two actors, one leads to the other, with messages in every place. */
static void open_scene(scene *s)
{
  const rk_launch_options a = {.name = "a", .block = 0};
  const rk_launch_options b = {.name = "b", .block = 1, .inactive = true};
  const num retained = {.seq = 7};
  write_kernel(&keeper_form, text);
  s->rt = open_runtime((rk_runtime_options){0});
  assert_int_equal(rk_kernel_open("keeper", text, &s->kernel, NULL), RK_OK);
  assert_int_equal(rk_actor_launch(s->rt, s->kernel, &a, &s->a, NULL, NULL), RK_OK);
  assert_int_equal(rk_actor_launch(s->rt, s->kernel, &b, &s->b, NULL, NULL), RK_OK);
  assert_int_equal(rk_runtime_connect(s->rt, s->a, "out", s->b, NULL), RK_OK);
  put_some(s->a, 5);
  uint64_t depth = 1, handled = 0;
  while (depth != 0) {
    assert_int_equal(rk_actor_depth(s->a, &depth, &handled, NULL), RK_OK);
  }
  put_some(s->b, 3);
  assert_int_equal(rk_actor_deactivate(s->a, NULL), RK_OK);
  put_some(s->a, 2);
  assert_int_equal(
      rk_runtime_publish(s->rt, "x/y", NUM, &retained, sizeof(retained), true, NULL, NULL), RK_OK);
  (void)snprintf(path, sizeof(path), "%s/ckpt", cache_folder);
}

static void close_scene(scene *s)
{
  rk_actor_release(s->a);
  rk_actor_release(s->b);
  rk_kernel_close(s->kernel);
  close_runtime(s->rt);
}

static void check_scene(scene *s)
{
  uint64_t state[2] = {0};
  size_t bytes = sizeof(state);
  uint64_t depth = 0, handled = 0;
  assert_int_equal(rk_actor_peek_state(s->a, state, &bytes, NULL), RK_OK);
  assert_int_equal(state[0], 5);
  assert_int_equal(state[1], 15);
  assert_int_equal(rk_actor_depth(s->a, &depth, &handled, NULL), RK_OK);
  assert_int_equal(depth, 2);
  assert_int_equal(handled, 5);
  assert_int_equal(rk_actor_depth(s->b, &depth, &handled, NULL), RK_OK);
  assert_int_equal(depth, 8);
}

/* Reads one payload as whatever it is; only how it fails may differ. */
static int read_payload(const rk_ckpt_section *section)
{
  rk_saved_actor actor;
  rk_saved_queue queue;
  rk_saved_topic *topics = NULL;
  rk_saved_runtime runtime;
  size_t count = 0;
  int rc = RK_OK;
  if (section->kind == RK_CKPT_ACTOR) {
    rc = rk__load_actor(section, &actor, NULL);
    if (rc == RK_OK) {
      rk__saved_actor_close(&actor);
    }
  } else if (section->kind == RK_CKPT_LETTERS) {
    rc = rk__load_queue(section, &queue, NULL);
    if (rc == RK_OK) {
      rk_free(queue.messages);
    }
  } else if (section->kind == RK_CKPT_TOPICS) {
    rc = rk__load_topics(section, &topics, &count, NULL);
    if (rc == RK_OK) {
      rk_free(topics);
    }
  } else {
    rc = rk__load_runtime(section, &runtime, NULL);
    if (rc == RK_OK) {
      rk_free(runtime.block_ids);
    }
  }
  assert_true(rc == RK_OK || rc == RK_ECORRUPT || rc == RK_EOUT_OF_MEMORY);
  return rc;
}

static void spoil_payload(const rk_ckpt_section *whole)
{
  unsigned char *copy = rk_alloc(whole->size + 1u);
  rk_ckpt_section section = *whole;
  assert_int_equal(read_payload(whole), RK_OK);
  memcpy(copy, whole->data, whole->size);
  section.data = copy;
  for (size_t bit = 0; bit < whole->size * 8u; ++bit) {
    copy[bit / 8u] ^= (unsigned char)(1u << bit % 8u);
    (void)read_payload(&section);
    copy[bit / 8u] ^= (unsigned char)(1u << bit % 8u);
  }
  rk_free(copy);
  for (size_t size = 0; size < whole->size; ++size) {
    copy = rk_alloc(size); /* of just this size: a read past it is seen by the sanitizer */
    memcpy(copy, whole->data, size);
    section.data = copy;
    section.size = size;
    assert_int_equal(read_payload(&section), RK_ECORRUPT);
    rk_free(copy);
  }
}

static void test_spoilt_payloads(void **state)
{
  (void)state;
  scene s;
  rk_ckpt_file file;
  open_scene(&s);
  assert_int_equal(rk_runtime_checkpoint(s.rt, path, NULL, NULL, NULL), RK_OK);
  assert_int_equal(rk_ckpt_read(path, &file, NULL), RK_OK);
  assert_int_equal(file.section_count, 5);
  for (size_t i = 0; i < file.section_count; ++i) {
    spoil_payload(&file.sections[i]);
  }
  rk_ckpt_file_close(&file);
  close_scene(&s);
}

/* Nothing but memory fails while `work` does its own; returns the allocations it took. */
static uint64_t fail_each(scene *s, int (*work)(scene *s, rk_error *err))
{
  int rc = RK_EOUT_OF_MEMORY;
  uint64_t k = 0;
  while (rc != RK_OK) {
    rk_error err = RK_ERROR_INIT;
    assert_true(++k < 2000);
    rk_alloc_fail_at(k, false);
    rc = work(s, &err);
    rk_alloc_fail_at(0, false);
    if (rc != RK_OK && rc != RK_EOUT_OF_MEMORY) {
      fail_msg("allocation %llu: %s", (unsigned long long)k, err.text);
    }
    check_scene(s);
  }
  return k;
}

static int save(scene *s, rk_error *err)
{
  return rk_runtime_checkpoint(s->rt, path, NULL, NULL, err);
}

static int restore(scene *s, rk_error *err)
{
  rk_restore *r = NULL;
  int rc = rk_restore_open(s->rt, path, &r, err);
  if (rc == RK_OK) {
    rc = rk_restore_apply(r, NULL, err);
  }
  rk_restore_close(r);
  return rc;
}

static void test_no_memory(void **state)
{
  (void)state;
  scene s;
  open_scene(&s);
  /* some allocations that fail are those of the grid's threads, which it asks for again */
  assert_true(fail_each(&s, save) > 5);
  assert_int_equal(save(&s, NULL), RK_OK);
  assert_true(fail_each(&s, restore) > 10);
  assert_int_equal(rk_actor_activate(s.b, NULL), RK_OK);
  assert_int_equal(rk_actor_activate(s.a, NULL), RK_OK);
  uint64_t handled = 0, depth = 0;
  const uint64_t deadline = rk_clock_deadline(5 * SECOND);
  while (handled < 10 && rk_clock_mono_ns() < deadline) {
    assert_int_equal(rk_actor_depth(s.b, &depth, &handled, NULL), RK_OK);
  }
  assert_int_equal(handled, 10);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_spoilt_payloads),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
