/* SPDX-License-Identifier: MIT */
/*
 * Descriptions of definitions: what is refused, that they are copied, that a compiled module which
 * differs is refused, and what a backend is given.
 */
#include "runtime_helper.h"

#include "runtime/internal.h"
#include "runtime/stock.h"

static const kernel_form form = {
    .name = "told",
    .lanes = 2,
    .burst = 3,
    .types = "typedef struct Other { rk_u32 x; } Other;\n#define RK_TYPE_Other 0x77u",
    .accepts = {"Num", "Other"},
    .emits = {"Other"},
    .ports = {"out", "log"},
    .state = "rk_u64 n;",
    .on_start = true,
    .source = "RK_ON_START() { (void)ctx; state->n = 1; }\n"
              "RK_ON(Num) { (void)ctx; (void)msg; (void)state; }\n"
              "RK_ON(Other) { (void)ctx; (void)msg; (void)state; }\n",
};

/* What is true of `form`, for a test to change. */
typedef struct truth {
  rk_kernel_type types[2];
  const char *ports[2];
  uint32_t emits[1];
  rk_kernel_description description;
} truth;

static void tell(truth *t)
{
  *t = (truth){
      .types = {{"Num", NUM, sizeof(num)}, {"Other", 0x77, 4}},
      .ports = {"out", "log"},
      .emits = {0x77},
  };
  t->description = (rk_kernel_description){
      .name = "told",
      .types = t->types,
      .ports = t->ports,
      .emits = t->emits,
      .type_count = 2,
      .port_count = 2,
      .emit_count = 1,
      .lanes = 2,
      .burst = 3,
      .state_bytes = 8,
      .emit_bytes = 4,
      .has_start = true,
  };
}

static rk_kernel *open_form(void)
{
  static char text[TEXT_BYTES];
  rk_kernel *kernel = NULL;
  write_kernel(&form, text);
  assert_int_equal(rk_kernel_open(form.name, text, &kernel, NULL), RK_OK);
  return kernel;
}

static void refused(rk_kernel *kernel, const truth *t, const char *why)
{
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_kernel_describe(kernel, &t->description, NULL, &err), RK_EINVAL);
  if (strstr(err.text, why) == NULL) {
    fail_msg("'%s' expected in '%s'", why, err.text);
  }
}

static void nonsense_is_refused(void **state)
{
  (void)state;
  truth t;
  rk_kernel *kernel = open_form();
#define REFUSED(change, why)  \
  do {                        \
    tell(&t);                 \
    change;                   \
    refused(kernel, &t, why); \
  } while (0)
  REFUSED(t.description.name = "other", "name");
  REFUSED(t.description.type_count = 0, "accepted type");
  REFUSED(t.description.types = NULL, "accepted type");
  REFUSED(t.description.ports = NULL, "ports");
  REFUSED(t.description.port_count = UINT32_MAX, "ports");
  REFUSED(t.description.emits = NULL, "emitted");
  REFUSED(t.description.lanes = 0, "lanes");
  REFUSED(t.description.lanes = 1025, "lanes");
  REFUSED(t.description.burst = 0, "burst");
  REFUSED(t.description.emit_count = 0, "emit_bytes");
  REFUSED(t.types[1].name = NULL, "no name");
  REFUSED(t.types[1].name = "Num", "twice");
  REFUSED(t.types[1].id = NUM, "twice");
  REFUSED(t.ports[0] = "", "no name");
  REFUSED(t.ports[0] = "log", "twice");
#undef REFUSED
  tell(&t);
  assert_int_equal(rk_kernel_describe(kernel, &t.description, "", NULL), RK_EINVAL);
  assert_int_equal(rk_kernel_describe(kernel, &t.description, NULL, NULL),
                   RK_OK); /* nothing stuck */
  assert_int_equal(rk_kernel_describe(kernel, &t.description, NULL, NULL), RK_EINVALID_STATE);
  rk_kernel_close(kernel);
}

static int compile_described(rk_runtime *rt, const truth *t, rk_error *err)
{
  rk_kernel *kernel = open_form();
  assert_int_equal(rk_kernel_describe(kernel, &t->description, NULL, err), RK_OK);
  int rc = rk_kernel_compile(kernel, rt, NULL, err);
  rk_kernel_close(kernel);
  return rc;
}

static void differs(rk_runtime *rt, const truth *t, const char *what)
{
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(compile_described(rt, t, &err), RK_ECORRUPT);
  if (strstr(err.text, what) == NULL) {
    fail_msg("'%s' expected in '%s'", what, err.text);
  }
}

static void a_module_that_differs_is_refused(void **state)
{
  (void)state;
  truth t;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  tell(&t);
  assert_int_equal(compile_described(rt, &t, NULL), RK_OK);
#define DIFFERS(change, what) \
  do {                        \
    tell(&t);                 \
    change;                   \
    differs(rt, &t, what);    \
  } while (0)
  DIFFERS(t.description.type_count = 1, "1 accepted types, the compiled module 2");
  DIFFERS(t.description.port_count = 1, "1 ports, the compiled module 2");
  DIFFERS((t.description.emit_count = 0, t.description.emit_bytes = 0), "0 emitted types");
  DIFFERS(t.description.lanes = 4, "4 lanes, the compiled module 2");
  DIFFERS(t.description.burst = 1, "1 messages of burst");
  DIFFERS(t.description.state_bytes = 16, "16 bytes of state");
  DIFFERS(t.description.emit_bytes = 5, "5 bytes in the largest");
  DIFFERS(t.description.has_start = false, "0 start handlers, the compiled module 1");
  DIFFERS(t.description.has_stop = true, "1 stop handlers");
  DIFFERS(t.types[1].name = "Third", "type 'Third', the compiled module 'Other'");
  DIFFERS(t.types[1].id = 0x78, "120 as a type's number, the compiled module 119");
  DIFFERS(t.types[0].size_bytes = 31, "31 bytes of a type");
  DIFFERS(t.ports[1] = "lag", "port 'lag', the compiled module 'log'");
  DIFFERS(t.emits[0] = 1, "1 as an emitted type's number");
#undef DIFFERS
  tell(&t);
  assert_int_equal(compile_described(rt, &t, NULL), RK_OK); /* the runtime is none the worse */
  close_runtime(rt);
}

static void a_used_definition_stays_as_it_is(void **state)
{
  (void)state;
  truth t;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_kernel *kernel = open_form();
  tell(&t);
  assert_int_equal(rk_kernel_compile(kernel, rt, NULL, NULL), RK_OK);
  assert_int_equal(rk_kernel_describe(kernel, &t.description, NULL, NULL), RK_EINVALID_STATE);
  rk_kernel_close(kernel);
  rk_global *global = NULL;
  assert_int_equal(rk_global_open("g", "x", 0, &global, NULL), RK_OK);
  assert_int_equal(rk_global_describe(global, "", NULL), RK_EINVAL);
  assert_int_equal(rk_global_describe(global, "unit", NULL), RK_OK);
  assert_int_equal(rk_global_describe(global, "unit", NULL), RK_EINVALID_STATE);
  rk_global_close(global);
  close_runtime(rt);
}

/* ---- what a backend is given ---- */

static int (*real_load)(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                        char **log, rk_error *err);
static unsigned looked;

static int look_at_stock(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                         char **log, rk_error *err)
{
  const rk_module *module = source->stock;
  assert_null(source->c_source);
  assert_string_equal(source->name, module->name);
  assert_string_equal(source->described->name, module->name);
  assert_int_equal(source->described->lanes, module->lanes);
  assert_int_equal(source->described->type_count, module->type_count);
  assert_string_equal(source->described->types[0].name, module->types[0].name);
  assert_null(source->described->module);
  assert_non_null(strstr(source->device_fragment, "#include \"rk_module_cuda.h\"\n"));
  char own_text[64];
  (void)snprintf(own_text, sizeof(own_text), "#line 1 \"%s.cu\"\n", module->name);
  assert_non_null(strstr(source->device_fragment, own_text));
  ++looked;
  return real_load(backend, source, out, log, err);
}

static int look_at_form(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                        char **log, rk_error *err)
{
  const rk_backend_def *said = source->described;
  assert_null(source->stock);
  assert_non_null(source->c_source);
  assert_string_equal(said->types[1].name, "Other");
  assert_string_equal(said->ports[1], "log");
  assert_int_equal(said->emits[0], 0x77);
  assert_string_equal(source->device_fragment, "the fragment");
  ++looked;
  return real_load(backend, source, out, log, err);
}

static int look_at_global(rk_backend *backend, const rk_backend_global_source *source,
                          rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err)
{
  (void)backend;
  (void)out;
  (void)param_bytes;
  (void)log;
  assert_string_equal(source->name, "g");
  assert_string_equal(source->c_source, "c source");
  assert_string_equal(source->device_unit, "the unit");
  assert_int_equal(source->param_bytes, 24);
  ++looked;
  return rk_error_set(err, RK_EUNSUPPORTED, "only looked at");
}

static void a_backend_gets_all_of_it(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_backend_ops ops = *rt->ops;
  real_load = ops.module_load;
  rt->ops = &ops;
  looked = 0;

  ops.module_load = look_at_stock;
  for (size_t i = 0; rk_stock_modules[i] != NULL; ++i) {
    rk_kernel *stock = NULL;
    assert_int_equal(rk_kernel_stock(rk_stock_modules[i]->name, &stock, NULL), RK_OK);
    assert_int_equal(rk_kernel_compile(stock, rt, NULL, NULL), RK_OK);
    rk_kernel_close(stock);
    assert_int_equal(looked, i + 1);
  }

  ops.module_load = look_at_form;
  truth *t = rk_alloc(sizeof(*t));
  assert_non_null(t);
  char fragment[] = "the fragment";
  rk_kernel *kernel = open_form();
  tell(t);
  assert_int_equal(rk_kernel_describe(kernel, &t->description, fragment, NULL), RK_OK);
  memset(fragment, 'x', sizeof(fragment) - 1); /* all of it was copied */
  memset(t, 0xa5, sizeof(*t));
  rk_free(t);
  looked = 0;
  assert_int_equal(rk_kernel_compile(kernel, rt, NULL, NULL), RK_OK);
  assert_int_equal(looked, 1);
  rk_kernel_close(kernel);

  ops.global_load = look_at_global;
  const char params[24] = {0};
  rk_global *global = NULL;
  assert_int_equal(rk_global_open("g", "c source", sizeof(params), &global, NULL), RK_OK);
  assert_int_equal(rk_global_describe(global, "the unit", NULL), RK_OK);
  assert_int_equal(rk_runtime_run(rt, global, 1, 1, params, sizeof(params), NULL, NULL),
                   RK_EUNSUPPORTED);
  assert_int_equal(looked, 2);
  rk_global_close(global);
  close_runtime(rt);
}

static void no_memory_leaves_nothing_behind(void **state)
{
  (void)state;
  truth t;
  rk_kernel *kernel = open_form();
  uint64_t live = rk_alloc_live();
  int rc = RK_EOUT_OF_MEMORY;
  tell(&t);
  for (uint64_t k = 1; rc == RK_EOUT_OF_MEMORY; ++k) {
    assert_int_equal(rk_alloc_live(), live);
    rk_alloc_fail_at(k, false);
    rc = rk_kernel_describe(kernel, &t.description, "fragment", NULL);
    rk_alloc_fail_at(0, false);
  }
  assert_int_equal(rc, RK_OK);
  rk_kernel_close(kernel);
  live = rk_alloc_live();
  rc = RK_EOUT_OF_MEMORY;
  for (uint64_t k = 1; rc == RK_EOUT_OF_MEMORY; ++k) {
    assert_int_equal(rk_alloc_live(), live);
    rk_alloc_fail_at(k, false);
    rc = rk_kernel_stock("echo", &kernel, NULL);
    rk_alloc_fail_at(0, false);
  }
  assert_int_equal(rc, RK_OK);
  rk_kernel_close(kernel);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(a_module_that_differs_is_refused),
      cmocka_unit_test(a_used_definition_stays_as_it_is),
      cmocka_unit_test(a_backend_gets_all_of_it),
      cmocka_unit_test(no_memory_leaves_nothing_behind),
  };
  return cmocka_run_group_tests_name("description", tests, make_cache, remove_cache);
}
