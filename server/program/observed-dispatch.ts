/** What is measured and traced of every call to a module, whoever makes it and wherever the module runs. */
import type { Metrics, Span, SpanOptions, Tracer } from '../infra/observability/port.ts';
import type { Contract } from '../wire/contract.ts';
import type { Dispatch } from '../wire/dispatch.ts';
import { Problem } from '../wire/problem.ts';

type Outcome = 'ok' | 'refused' | 'failed';

const outcomeOf = (error: unknown): Outcome => (error instanceof Problem && error.status < 500 ? 'refused' : 'failed');
const rpcAttributes = (module: string, operation: string) => ({ 'rpc.system.name': 'mobility', 'rpc.method': `${module}/${operation}` });

/** Each operation is a span of the module, and one observation. */
export function observedDispatch(contract: Contract, dispatch: Dispatch, { tracer, metrics }: { tracer: Tracer; metrics: Metrics }): Dispatch {
  const operations = new Map(Object.keys(contract.operations).map((operation) => {
    const observe = (outcome: Outcome) => metrics.seconds('mobility_operation_duration_seconds', 'Time that an operation of a module took, whoever called it', { module: contract.module, operation, outcome });
    const options: SpanOptions = { kind: 'server', attributes: rpcAttributes(contract.module, operation) };
    return [operation, { name: `${contract.module}.${operation}`, options, observe: { ok: observe('ok'), refused: observe('refused'), failed: observe('failed') } }];
  }));
  return (operationName, request, callOptions) => {
    const operation = operations.get(operationName);
    if (!operation) return dispatch(operationName, request, callOptions);
    return tracer.span(operation.name, operation.options, async () => {
      const begun = performance.now();
      let outcome: Outcome = 'ok';
      try {
        return await dispatch(operationName, request, callOptions);
      } catch (error) {
        outcome = outcomeOf(error);
        throw error;
      } finally {
        operation.observe[outcome]((performance.now() - begun) / 1000);
      }
    });
  };
}

/** A call that leaves this process. */
export function tracedCalls(module: string, dispatch: Dispatch, tracer: Tracer): Dispatch {
  return (operationName, request, callOptions) =>
    tracer.span(`${module}.${operationName}`, { kind: 'client', attributes: { ...rpcAttributes(module, operationName), 'http.request.method': 'POST' } }, async (span: Span) => {
      const answer = await dispatch(operationName, request, callOptions);
      if ('status' in answer) span.set({ 'http.response.status_code': answer.status });
      return answer;
    });
}
