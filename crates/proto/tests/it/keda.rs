//! The protocol of external scalers is KEDA's.

use crate::{at, listing};

/// Names, numbers and types of github.com/kedacore/keda, pkg/scalers/externalscaler/externalscaler.proto.
const KEDA: &str = "\
externalscaler.ExternalScaler = service
externalscaler.ExternalScaler GetMetricSpec = externalscaler.ScaledObjectRef to externalscaler.GetMetricSpecResponse
externalscaler.ExternalScaler GetMetrics = externalscaler.GetMetricsRequest to externalscaler.GetMetricsResponse
externalscaler.ExternalScaler IsActive = externalscaler.ScaledObjectRef to externalscaler.IsActiveResponse
externalscaler.ExternalScaler StreamIsActive = externalscaler.ScaledObjectRef to stream externalscaler.IsActiveResponse
externalscaler.ExternalScaler StreamMetricSpec = externalscaler.ScaledObjectRef to stream externalscaler.GetMetricSpecResponse
externalscaler.GetMetricSpecResponse = message
externalscaler.GetMetricSpecResponse 1 = repeated externalscaler.MetricSpec metricSpecs
externalscaler.GetMetricsRequest = message
externalscaler.GetMetricsRequest 1 = externalscaler.ScaledObjectRef scaledObjectRef
externalscaler.GetMetricsRequest 2 = string metricName
externalscaler.GetMetricsResponse = message
externalscaler.GetMetricsResponse 1 = repeated externalscaler.MetricValue metricValues
externalscaler.IsActiveResponse = message
externalscaler.IsActiveResponse 1 = bool result
externalscaler.MetricSpec = message
externalscaler.MetricSpec 1 = string metricName
externalscaler.MetricSpec 2 = int64 targetSize
externalscaler.MetricSpec 3 = double targetSizeFloat
externalscaler.MetricValue = message
externalscaler.MetricValue 1 = string metricName
externalscaler.MetricValue 2 = int64 metricValue
externalscaler.MetricValue 3 = double metricValueFloat
externalscaler.ScaledObjectRef = message
externalscaler.ScaledObjectRef 1 = string name
externalscaler.ScaledObjectRef 2 = string namespace
externalscaler.ScaledObjectRef 3 = repeated externalscaler.ScaledObjectRef.ScalerMetadataEntry scalerMetadata
externalscaler.ScaledObjectRef.ScalerMetadataEntry = message
externalscaler.ScaledObjectRef.ScalerMetadataEntry 1 = string key
externalscaler.ScaledObjectRef.ScalerMetadataEntry 2 = string value
";

#[test]
fn keda_is_spoken_to_in_its_own_words() {
    let set = protox::compile(["externalscaler/externalscaler.proto"], [at("proto")]).unwrap();
    assert_eq!(listing::of(&set), listing::read(KEDA));
}
