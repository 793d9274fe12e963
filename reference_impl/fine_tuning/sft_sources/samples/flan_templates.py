"""Instruction templates in the layout of the FLAN Collection's templates.py, our own wording."""

PATTERNS = {
    "cot_arithmetic": [
        ("{question} Work it out in steps.", "{chain_of_thought}\nThe answer is {answer}."),
        ("Question: {question}\nReason first, then answer.", "{chain_of_thought} So: {answer}."),
        ("{question}\nShow your working.", "{chain_of_thought}\nAnswer: {answer}"),
        (
            "Solve this and say how you got there.\n\n{question}",
            "{chain_of_thought} That gives {answer}.",
        ),
    ],
    "cot_yes_no": [
        ("{question}\nExplain, then say yes or no.", "{chain_of_thought}\nSo {answer}."),
        ("Yes or no? {question}\nGive your reason first.", "{chain_of_thought} Hence {answer}."),
        ("{question} Answer first, then explain.", "{answer}. {chain_of_thought}"),
    ],
    "natural_questions": [
        ("{question}", "{answer}"),
        ("A short answer, please: {question}", "{answer}"),
        ("Question: {question}\nAnswer:", "{answer}"),
    ],
    "summary": [
        ("{text}\n\nSay this in one sentence.", "{summary}"),
        ("Write a text that could be summed up so: {summary}", "{text}"),
    ],
}
