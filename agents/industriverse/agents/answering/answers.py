"""Which answerer a question goes to: the language model where one is set up, retrieval otherwise and on failure."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer

from industriverse.agents.answering.language_model import Approve, ModelAnswers
from industriverse.agents.answering.memory import Conversations
from industriverse.agents.answering.retrieval import RetrievalAnswers
from industriverse.agents.errors import AgentError
from industriverse.operations.asking import Answered, Question
from industriverse.operations.context import OperationContext, Principal
from industriverse.operations.registry import Registry

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["PlatformAnswers"]

logger = logging.getLogger(__name__)


class PlatformAnswers:
    """Answers questions in both modes.

    Args:
        registry: The verbs.
        open_server: Makes the MCP server whose tools a principal may call.
        clock: Returns the present time in nanoseconds.
        model: ``provider:name`` of a language model, or a model; empty for none.
    """

    def __init__(
        self,
        registry: Registry,
        open_server: Callable[[Principal], MCPServer[Any]],
        clock: Callable[[], int],
        model: "str | Model" = "",
    ) -> None:
        self.open_server = open_server
        conversations = Conversations(clock)
        self.retrieval = RetrievalAnswers(registry, conversations)
        self._model = ModelAnswers(model, open_server, conversations) if model else None

    async def answer(
        self, question: Question, context: OperationContext, *, approve: Approve | None = None
    ) -> Answered:
        """Answer with what the principal of the context may read.

        Args:
            question: What is asked.
            context: Of the caller.
            approve: Asks a person before a language model changes anything; if absent it changes nothing.
        """
        if question.mode == "retrieval" or (question.mode == "auto" and self._model is None):
            return await self.retrieval.answer(question, context)
        if self._model is None:
            note = "No language model is set up (INDUSTRIVERSE_LLM): answered by retrieval."
        else:
            try:
                return await self._model.answer(question, context, approve=approve)
            except AgentError as error:
                logger.warning("question answered by retrieval: %s", error)
                note = f"Answered by retrieval: {error.message}."
        answered = await self.retrieval.answer(question, context)
        return replace(answered, note=" ".join(part for part in (answered.note, note) if part))
