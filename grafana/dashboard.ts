import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  StackingConfigBuilder,
  StackingMode,
  VizLegendOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type Panel, rows } from './panels.js';

/** The dashboard as Grafana imports it: rows of panels, three beside one another, of the managers that are chosen. */
export function dashboard() {
  const managers = new QueryVariableBuilder('manager')
    .label('Manager')
    .datasource(source)
    .query('label_values(instances_lifecycle_subscribers, instance)')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .current({ text: ['All'], value: ['$__all'] });
  const builder = new DashboardBuilder('rx-instances')
    .uid('rx-instances')
    .description(
      'Instances, their lifecycle stream and who listens to it, controllers, front door and webhooks',
    )
    .tags(['rx-instances'])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('source').label('Prometheus').type('prometheus'))
    .withVariable(managers);
  let id = 0;
  for (const { title, panels } of rows) {
    builder.withRow(new RowBuilder(title).id((id += 1)));
    for (const panel of panels) builder.withPanel(drawn(panel).id((id += 1)));
  }
  return builder.build();
}

const source = { type: 'prometheus', uid: '$source' };

function drawn({ title, description, unit, queries, isStacked = false }: Panel): PanelBuilder {
  const panel = new PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .min(0)
    .height(8)
    .span(8)
    .fillOpacity(isStacked ? 30 : 5)
    .legend(new VizLegendOptionsBuilder().showLegend(true))
    .datasource(source);
  if (isStacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  for (const [index, { expr, legend }] of queries.entries()) {
    const refId = String.fromCharCode('A'.charCodeAt(0) + index);
    panel.withTarget(new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend).range());
  }
  return panel;
}
