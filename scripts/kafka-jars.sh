#!/bin/sh
# Fetch Kafka's jars as kafka-pom.xml says and write their SHA-256 list anew: after a change of that file.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/../harness/provide"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mvn -B -q -f kafka-pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$place"
(cd "$place" && sha256sum -- *.jar) > kafka-jars.sha256
wc -l kafka-jars.sha256
