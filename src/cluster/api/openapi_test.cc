#include "cluster/api/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

using kube::Json;

std::set<std::string> ParameterNames(const Json& operation) {
  std::set<std::string> names;
  for (const Json& parameter : operation.at("parameters")) {
    if (parameter.at("in") == "query") names.insert(parameter.at("name").get<std::string>());
  }
  return names;
}

TEST(OpenApiTest, TheIndexNamesEachGroupVersion) {
  const Json paths = OpenApiIndex(*Registry::WithBuiltIns()).at("paths");
  EXPECT_EQ(paths.at("api/v1").at("serverRelativeURL"), "/openapi/v3/api/v1");
  EXPECT_TRUE(paths.contains("apis/apps/v1"));
  EXPECT_TRUE(OpenApiDocument(*Registry::WithBuiltIns(), "none", "v1", "v1").is_null());
}

TEST(OpenApiTest, PatchesTakeFieldValidationAndDryRun) {
  const Json document = OpenApiDocument(*Registry::WithBuiltIns(), "apps", "v1", "v1.33.0");
  const Json& patch = document.at("paths")
                          .at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
                          .at("patch");
  EXPECT_EQ(patch.at("x-kubernetes-group-version-kind"),
            Json({{"group", "apps"}, {"version", "v1"}, {"kind", "Deployment"}}));
  EXPECT_TRUE(ParameterNames(patch).contains("fieldValidation"));
  EXPECT_TRUE(ParameterNames(patch).contains("dryRun"));
  EXPECT_FALSE(patch.contains("requestBody")) << "kubectl would merge lists by it";
  const Json& scale = document.at("paths")
                          .at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale")
                          .at("put");
  EXPECT_EQ(scale.at("x-kubernetes-group-version-kind").at("kind"), "Scale");
}

TEST(OpenApiTest, EveryReferenceLeadsToAComponent) {
  const auto registry = Registry::WithBuiltIns();
  for (const ResourcePtr& resource : registry->All()) {
    const Json document =
        OpenApiDocument(*registry, resource->kind.group, resource->kind.version, "v1.33.0");
    const Json& schemas = document.at("components").at("schemas");
    for (const auto& [path, value] : document.flatten().items()) {
      if (!path.ends_with("/$ref")) continue;
      const std::string target = value.get<std::string>();
      EXPECT_TRUE(schemas.contains(target.substr(target.rfind('/') + 1))) << target;
    }
  }
}

TEST(OpenApiTest, FieldsHaveTheTypesOfTheSchema) {
  Json components;
  ASSERT_TRUE(Schema::BuiltIn().DescribeOpenApi("Pod", components));
  const Json& spec = components.at(OpenApiName("PodSpec")).at("properties");
  EXPECT_EQ(spec.at("nodeName"), Json({{"type", "string"}}));
  EXPECT_EQ(spec.at("containers").at("items").at("$ref"),
            "#/components/schemas/" + OpenApiName("Container"));
  EXPECT_EQ(spec.at("nodeSelector").at("additionalProperties"), Json({{"type", "string"}}));
  EXPECT_FALSE(Schema::BuiltIn().DescribeOpenApi("Unheard", components));
}

}  // namespace
}  // namespace enclave::cluster
